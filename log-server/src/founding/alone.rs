//! A log that one seat begins without asking anybody: what a recovery makes.

use naxos_proto::contracts::{Founder, FoundingValue};
use naxos_proto::ids::{ClusterId, LogId};
use naxos_proto::seams::Disk;

use super::record::FoundingRecord;
use super::record_file::{read_record, write_founding};
use crate::open_error::OpenError;

/// Writes into an empty data directory that `own` has founded `log` alone, durably.
/// [`FoundJournal::read`](crate::FoundJournal::read) then formats it with these ids.
pub async fn found_alone(disk: &dyn Disk, cluster: ClusterId, own: Founder, log: LogId) -> Result<(), OpenError> {
    let decided = Some(FoundingValue { log, founders: vec![own] });
    let record = FoundingRecord { decided, ..FoundingRecord::new(cluster, own, vec![own.seat]) };
    write_founding(disk, &record).await
}

/// The cluster of a data directory, and what its seats decided. `None` if it was begun without a founding, or if the
/// founding is not decided.
pub async fn read_founding(disk: &dyn Disk) -> Result<Option<(ClusterId, FoundingValue)>, OpenError> {
    let record = read_record(disk).await?;
    Ok(record.and_then(|record| Some((record.cluster, record.decided?))))
}

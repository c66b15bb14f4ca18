//! A log that a seat begins without asking anybody: what a recovery and a restore make.

use naxos_proto::contracts::{Founder, FoundingValue};
use naxos_proto::ids::{ClusterId, LogId};
use naxos_proto::seams::Disk;

use super::record::FoundingRecord;
use super::record_file::{read_record, write_founding};
use crate::open_error::OpenError;

/// Durably writes into an empty data directory that `own` alone has founded `log`.
/// [`FoundJournal::read`](crate::FoundJournal::read) then formats it with these ids.
pub async fn found_alone(disk: &dyn Disk, cluster: ClusterId, own: Founder, log: LogId) -> Result<(), OpenError> {
    found_decided(disk, cluster, own, FoundingValue { log, founders: vec![own] }).await
}

/// As [`found_alone`], for a log that several founders begin. The caller knows that each of them, by itself, comes to the same
/// decision. `own` is one of them.
pub async fn found_decided(
    disk: &dyn Disk,
    cluster: ClusterId,
    own: Founder,
    decided: FoundingValue,
) -> Result<(), OpenError> {
    let seats = decided.founders.iter().map(|founder| founder.seat).collect();
    let record = FoundingRecord { decided: Some(decided), ..FoundingRecord::new(cluster, own, seats) };
    write_founding(disk, &record).await
}

/// The cluster of a data directory, and what its seats decided. `None` if it was begun without a founding, or if the
/// founding is not decided.
pub async fn read_founding(disk: &dyn Disk) -> Result<Option<(ClusterId, FoundingValue)>, OpenError> {
    let record = read_record(disk).await?;
    Ok(record.and_then(|record| Some((record.cluster, record.decided?))))
}

//! [`Facts`]: all that the file of a backup has besides keys and leases.

use naxos_engines::RowKey;
use naxos_engines::local_store::FixedRows;
use naxos_proto::codec::DecodeError;
use naxos_proto::etcd::server::etcdserverpb::{AlarmMember, Member};
use naxos_proto::ids::StoreId;
use prost::Message;

use super::backup_error::BackupError;
use crate::state::rows::{self, Counters};

/// Bytes of rows that one scan reads.
const SCAN_BYTES: usize = 256 << 10;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) store: StoreId,
    /// The next position of the log to apply after the rows of the backup, for etcd's `consistent_index`.
    pub(crate) index: u64,
    /// The number of the active loglet, for etcd's term.
    pub(crate) term: u64,
    pub(crate) revision: i64,
    /// -1 if nothing is compacted.
    pub(crate) compacted: i64,
    /// Whether all rows that the last compaction freed are dropped.
    pub(crate) is_compacted_wholly: bool,
    pub(crate) members: Vec<Member>,
    pub(crate) removed: Vec<u64>,
    pub(crate) alarms: Vec<AlarmMember>,
}

/// The rows of a small table.
fn table(
    fixed: &FixedRows,
    (mut from, below): (RowKey, RowKey),
) -> Result<Vec<naxos_engines::local_store::Row>, BackupError> {
    let mut all = Vec::new();
    loop {
        let rows = fixed.scan(&from, &below, SCAN_BYTES)?;
        let Some((last, _)) = rows.last() else { return Ok(all) };
        from = last.clone().after();
        all.extend(rows);
    }
}

impl Facts {
    /// Reads the facts from the rows `fixed`. `dropped` is a revision: when `fixed` was made, the local store had
    /// already dropped all rows that compactions up to this revision freed.
    pub(crate) fn read(fixed: &FixedRows, store: StoreId, term: u64, dropped: i64) -> Result<Self, BackupError> {
        let damaged = |rule| DecodeError::Rule { what: "a row of the local store", rule };
        let counters = fixed.get(&rows::state(store))?.map(Counters::decode).transpose()?;
        let (revision, compacted) = counters.map_or((1, -1), |found| (found.revision, found.compacted));
        let members = table(fixed, rows::whole(store, rows::MEMBERS))?.into_iter();
        let members = members.map(|(_, row)| Member::decode(row).map_err(|_| damaged("does not decode as a member")));
        let removed = table(fixed, rows::whole(store, rows::REMOVED))?;
        let alarms = table(fixed, rows::whole(store, rows::ALARMS))?.into_iter().map(|(name, _)| {
            let alarm = name.key.get(8..).and_then(|rest| rest.try_into().ok()).map(i32::from_be_bytes);
            let alarm = alarm.ok_or(damaged("has a name that is not an alarm's"))?;
            Ok(AlarmMember { member_id: rows::number(&name), alarm })
        });
        Ok(Self {
            store,
            index: fixed.position().0,
            term,
            revision,
            compacted,
            is_compacted_wholly: dropped >= compacted,
            members: members.collect::<Result<_, DecodeError>>()?,
            removed: removed.iter().map(|(name, _)| rows::number(name)).collect(),
            alarms: alarms.collect::<Result<_, DecodeError>>()?,
        })
    }
}

//! [`RaftLog`]: the live state of the MetaStore's raft log, as opaque bytes.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::unit::RaftChange;

/// The state that a MetaStore replica finds again after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RaftLog {
    /// The last vote that was recorded. `None` before the first.
    pub(crate) vote: Option<Bytes>,
    /// The entries that were neither truncated nor purged, by index.
    pub(crate) entries: BTreeMap<u64, Bytes>,
    /// Raft's id of the last purged entry: its term, leader and index. `None` if none was purged.
    pub(crate) purged: Option<Bytes>,
    /// The last snapshot of the register. `None` before the first.
    pub(crate) snapshot: Option<Bytes>,
}

impl RaftLog {
    pub(crate) fn apply(&mut self, change: &RaftChange) {
        match change {
            RaftChange::Vote(vote) => self.vote = Some(vote.clone()),
            RaftChange::Entry(index, bytes) => drop(self.entries.insert(*index, bytes.clone())),
            RaftChange::Truncate(from) => drop(self.entries.split_off(from)),
            RaftChange::Purge(up_to, log_id) => {
                self.entries.retain(|index, _| index > up_to);
                self.purged = Some(log_id.clone());
            }
            RaftChange::Snapshot(bytes) => self.snapshot = Some(bytes.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raft_overwrites_truncates_and_purges() {
        let mut log = RaftLog::default();
        for n in 1..=5 {
            log.apply(&RaftChange::Entry(n, Bytes::from(vec![n as u8])));
        }
        log.apply(&RaftChange::Truncate(4));
        log.apply(&RaftChange::Entry(4, Bytes::from_static(b"new")));
        log.apply(&RaftChange::Purge(2, Bytes::from_static(b"two")));
        assert_eq!(log.entries.keys().copied().collect::<Vec<_>>(), [3, 4]);
        assert_eq!(log.entries[&4], "new");
        assert_eq!(log.purged.as_deref(), Some(&b"two"[..]));
    }
}

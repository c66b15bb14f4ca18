//! [`HistoryPass`]: the hashes of the history up to several revisions, in one pass over the rows.
//!
//! Rows have the order of their revisions, so the pass meets the hash up to a revision on its way to the hash up to a
//! later one. What a compaction may drop does not count, because each replica drops it in its own time. So the hashes
//! of two replicas can be compared if both were compacted at the same revision. Which rows count at or below the
//! compacted revision does not depend on the revision that is asked for, unlike in HashKV.

use naxos_engines::{RowKey, StoreReader};
use naxos_proto::contracts::HistoryHashes;

use crate::state::index::key_value::decode;
use crate::state::rows;
use crate::state::store::{SharedStore, Store};

/// How many rows one step reads. A row may have more than a megabyte.
const ROWS_PER_STEP: usize = 64;

/// See the module.
pub(crate) struct HistoryPass {
    compacted: i64,
    current: i64,
    from: RowKey,
    below: RowKey,
    revisions: Vec<i64>,
    hashes: Vec<u32>,
    hash: u32,
}

impl HistoryPass {
    /// Begins a pass for these revisions, which must be in ascending order.
    pub(crate) fn begin(store: &Store, revisions: Vec<i64>) -> Self {
        let (compacted, current) = (store.compacted, store.revision);
        let (from, below) = rows::whole(store.id, rows::KEY_VALUES);
        let revisions = revisions.into_iter().map(|revision| revision.max(compacted)).collect();
        Self { compacted, current, from, below, revisions, hashes: Vec::new(), hash: 0 }
    }

    /// The revision whose hash comes next. `None` if all are known.
    fn next(&self) -> Option<i64> {
        self.revisions.get(self.hashes.len()).copied()
    }

    /// Reads some rows. Returns whether more are needed. Must not run on a thread that serves requests.
    pub(crate) fn step(&mut self, shared: &SharedStore, reader: &StoreReader) -> bool {
        let Some(next) = self.next() else { return false };
        let found = reader.scan(&self.from, &self.below, ROWS_PER_STEP);
        let Some((last, _)) = found.last() else {
            self.hashes.resize(self.revisions.len(), self.hash);
            return false;
        };
        self.from = last.clone().after();
        let mut until = next;
        for (row, value) in found {
            let (at, deleted) = rows::revision_of(&row);
            while at.main > until {
                self.hashes.push(self.hash);
                match self.next() {
                    Some(later) => until = later,
                    None => return false,
                }
            }
            if at.main <= self.compacted {
                let key = decode(&value).key;
                let is_kept =
                    |entry: &crate::state::index::key_entry::KeyEntry| entry.keeps(at, self.compacted, self.compacted);
                if deleted || !shared.read().keys.get(&key).is_some_and(|entry| is_kept(entry)) {
                    continue;
                }
            }
            self.hash = crc32c::crc32c_append(self.hash, &row.key);
            self.hash = crc32c::crc32c_append(self.hash, &value);
        }
        true
    }

    /// The hashes. `None` if the store was compacted meanwhile: then rows may be missing.
    pub(crate) fn finish(self, shared: &SharedStore) -> Option<HistoryHashes> {
        let Self { compacted, current, hashes, .. } = self;
        (shared.read().compacted == compacted).then_some(HistoryHashes { compacted, current, hashes })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use naxos_engines::LocalStore;
    use naxos_engines::batching::Application;
    use naxos_proto::etcd::server::etcdserverpb as pb;
    use naxos_proto::ids::StoreId;
    use naxos_proto::seams::BootClock;
    use naxos_proto::seams::sim::Drive;

    use super::*;
    use crate::state::kv::janitor::Janitor;
    use crate::state::{Command, Machine};

    /// A replica that has applied puts, and some deletions, of ten keys.
    struct Replica {
        local: LocalStore,
        store: Arc<SharedStore>,
        machine: Machine<()>,
    }

    impl Replica {
        /// Revisions 2 to `last`. The value of revision `wrong` is another one.
        async fn new(last: i64, wrong: Option<i64>) -> Self {
            let drive = Drive::new(1);
            let local = LocalStore::open(drive.mount(), Arc::new(BootClock)).await.expect("a new store opens");
            let store = SharedStore::rebuild(StoreId(0), &local.reader(), usize::MAX);
            let machine = Machine::new(Arc::clone(&store), local.reader(), ());
            let mut replica = Self { local, store, machine };
            for revision in 2..=last {
                let key = format!("k{}", revision % 10).into();
                replica.apply(if revision % 10 == 3 && revision % 20 == 13 {
                    Command::DeleteRange(pb::DeleteRangeRequest { key, ..Default::default() })
                } else {
                    let value = format!("{}", if Some(revision) == wrong { -revision } else { revision }).into();
                    Command::Put(pb::PutRequest { key, value, ..Default::default() })
                });
            }
            assert_eq!(replica.store.read().revision, last);
            replica
        }

        fn apply(&mut self, command: Command) {
            let lsn = self.local.applied();
            let mut txn = self.local.begin();
            let done = self.machine.apply(&mut txn, lsn, 0, command.encode(StoreId(0)));
            self.machine.end_entry(&mut txn);
            txn.commit(lsn.next());
            self.machine.post_apply(lsn);
            assert!(done.is_ok(), "{done:?}");
        }

        fn compact(&mut self, revision: i64) {
            self.apply(Command::Compact(pb::CompactionRequest { revision, physical: false }));
        }

        /// Drops what the compaction freed.
        fn clean(&self) {
            let compacted = self.store.read().compacted;
            let janitor = Janitor::new(Arc::clone(&self.store), self.local.reader(), Arc::new(BootClock));
            while janitor.step(compacted) > 0 {}
        }

        fn hashes(&self, revisions: &[i64]) -> HistoryHashes {
            let mut pass = HistoryPass::begin(&self.store.read(), revisions.to_vec());
            while pass.step(&self.store, &self.local.reader()) {}
            pass.finish(&self.store).expect("nothing was compacted meanwhile")
        }
    }

    #[tokio::test]
    async fn the_hashes_differ_at_the_first_wrong_revision_and_at_all_later_ones() {
        let (right, wrong) = (Replica::new(300, None).await, Replica::new(300, Some(150)).await);
        let asked = [0, 1, 2, 3, 100, 149, 150, 151, 299, 300];
        let (a, b) = (right.hashes(&asked), wrong.hashes(&asked));
        assert_eq!((a.compacted, a.current), (-1, 300));
        let differ: Vec<bool> = a.hashes.iter().zip(&b.hashes).map(|(a, b)| a != b).collect();
        assert_eq!(differ, asked.map(|revision| revision >= 150));
        assert_eq!(right.hashes(&[149, 300]).hashes, [a.hashes[5], a.hashes[9]], "the other revisions do not matter");
        assert_eq!(a.hashes[0], a.hashes[1], "there is nothing at revision 1");
        let one_each = a.hashes.windows(2).skip(1).all(|pair| pair[0] != pair[1]);
        assert!(one_each, "{a:?}");
    }

    #[tokio::test]
    async fn what_a_compaction_freed_does_not_count_whether_it_was_dropped_or_not() {
        let (mut early, mut late) = (Replica::new(300, None).await, Replica::new(300, None).await);
        let mut wrong = Replica::new(300, Some(95)).await;
        for replica in [&mut early, &mut late, &mut wrong] {
            replica.compact(100);
        }
        early.clean();
        let asked = [50, 100, 101, 200, 300];
        let hashes = early.hashes(&asked);
        assert_eq!(late.hashes(&asked), hashes);
        assert_eq!(hashes.hashes[0], hashes.hashes[1], "below the compacted revision");
        assert_ne!(
            wrong.hashes(&[100]).hashes,
            late.hashes(&[100]).hashes,
            "revision 95 is the newest of its key at 100"
        );
    }
}

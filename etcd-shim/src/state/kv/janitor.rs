//! Drops what compaction freed: rows that no read at the compacted revision or a later one needs. It works in small
//! steps beside apply, so that a put waits for one step at most, and not for a whole compaction. Replicas may drop rows
//! at different times, because drops do not count in the checksum that replicas compare.

use std::sync::Arc;
use std::time::Duration;

use naxos_engines::StoreReader;
use naxos_proto::seams::Clock;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::state::rows;
use crate::state::store::SharedStore;

/// The most rows that one step drops. Apply has to wait while a step holds a lock.
const STEP_ROWS: usize = 256;
/// The pause between two steps.
const STEP_INTERVAL: Duration = Duration::from_millis(1);
/// The pause before the next look when the checkpoint has too much to write, or when the disk has no room.
const WAIT_INTERVAL: Duration = Duration::from_millis(20);

/// See the module.
pub(crate) struct Janitor {
    store: Arc<SharedStore>,
    reader: StoreReader,
    clock: Arc<dyn Clock>,
    pub(crate) wake: Notify,
    /// The compacted revision of the last compaction whose rows have all been dropped. -1 if there is none yet.
    done: watch::Sender<i64>,
}

impl Janitor {
    pub(crate) fn new(store: Arc<SharedStore>, reader: StoreReader, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { store, reader, clock, wake: Notify::new(), done: watch::Sender::new(-1) })
    }

    /// Works until `stop`.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        // Go on with a compaction that an earlier stop interrupted.
        self.wake.notify_one();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
            }
            while !stop.is_cancelled() {
                if !self.reader.may_purge(STEP_ROWS).await {
                    self.clock.sleep(WAIT_INTERVAL).await;
                    continue;
                }
                let compacted = self.store.read().compacted;
                if self.step(compacted) == 0 {
                    self.done.send_replace(compacted);
                    break;
                }
                self.clock.sleep(STEP_INTERVAL).await;
            }
        }
    }

    /// Waits until everything below `revision` that may be dropped has been dropped.
    pub(crate) async fn wait_for(&self, revision: i64) {
        // This cannot fail: the sender lives as long as this janitor.
        let _ = self.done.subscribe().wait_for(|done| *done >= revision).await;
    }

    /// The revision of the last compaction whose rows have all been dropped. -1 until the janitor has finished its
    /// first round after the start, even if there was a compaction before the start.
    pub(crate) fn done(&self) -> i64 {
        *self.done.borrow()
    }

    pub(super) fn step(&self, compacted: i64) -> usize {
        let mut dead = Vec::new();
        {
            let mut store = self.store.write();
            let mut turns = 0;
            while turns < STEP_ROWS && store.turns.pop_front_if(|t| t.revision <= compacted).is_some() {
                turns += 1;
            }
            while dead.len() < STEP_ROWS
                && let Some((item, is_deletion)) = store.pop_dead(compacted)
            {
                store.bytes -= item.bytes;
                let gone = store.keys.update(&item.key, |entry| Arc::make_mut(entry).compact(compacted));
                if gone == Some(true) {
                    store.keys.remove(&item.key);
                }
                dead.push(rows::key_value(store.id, item.at, is_deletion));
            }
            self.store.note_used_bytes(&store);
            if dead.is_empty() && turns > 0 {
                return turns;
            }
        }
        let count = dead.len();
        if count > 0 {
            self.reader.purge(dead);
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use naxos_engines::LocalStore;
    use naxos_proto::ids::{Lsn, StoreId};
    use naxos_proto::seams::BootClock;
    use naxos_proto::seams::sim::Drive;

    use super::*;
    use crate::state::index::key_entry::{Live, Value};
    use crate::state::index::revision_key::RevisionKey;
    use crate::state::store::Store;

    #[tokio::test]
    async fn compacting_at_the_revision_of_a_delete_of_several_keys_drops_all_their_values() {
        let mut local = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.expect("a new store opens");
        let reader = local.reader();
        let mut store = Store::new(StoreId(0), usize::MAX);
        let mut txn = local.begin();
        for (sub, key) in (0..).zip([b"a", b"b", b"c"]) {
            let (put, delete) = (RevisionKey { main: 2, sub }, RevisionKey { main: 3, sub });
            let value = Value::Resident(vec![0; 1_000].into());
            let live = Live { at: put, create: 2, version: 1, lease: 0, value };
            assert!(store.put(key, |_| Ok::<_, ()>(live)).is_ok());
            store.delete(key, delete, b"");
            txn.put(rows::key_value(StoreId(0), put, false), vec![0; 1_000].into());
            txn.put(rows::key_value(StoreId(0), delete, true), bytes::Bytes::new());
        }
        txn.commit(Lsn(1));
        store.revision = 3;
        let janitor = Janitor::new(SharedStore::new(store), reader.clone(), Arc::new(BootClock));
        let left = |compacted| {
            while janitor.step(compacted) > 0 {}
            let (from, below) = rows::whole(StoreId(0), rows::KEY_VALUES);
            reader.scan(&from, &below, 100).iter().map(|(row, _)| rows::revision_of(row)).collect::<Vec<_>>()
        };
        let deletions: Vec<_> = (0..3).map(|sub| (RevisionKey { main: 3, sub }, true)).collect();
        assert_eq!(left(3), deletions, "a watcher may still ask for revision 3");
        assert_eq!(left(4), []);
        assert_eq!(janitor.store.read().bytes, 0);
    }
}

//! A disk that others have filled: checkpoints wait for room, reads go on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_engines::{LocalStore, RowKey, TableId};
use naxos_proto::ids::{Lsn, StoreId};
use naxos_proto::seams::Clock;
use naxos_proto::seams::sim::{Drive, SimClock};
use tokio_util::sync::CancellationToken;

fn key(entry: u64) -> RowKey {
    RowKey::new(StoreId(0), TableId(40), &entry.to_be_bytes())
}

fn apply(store: &mut LocalStore) {
    let entry = store.applied().0;
    let mut txn = store.begin();
    txn.put(key(entry), Bytes::from(vec![entry as u8; 1 << 20]));
    txn.commit(Lsn(entry + 1));
}

/// The checkpoint Worker ended with the first write that found no room, and the node with it.
#[tokio::test(start_paused = true)]
async fn checkpoints_wait_while_the_disk_is_full() {
    let drive = Drive::new(1);
    let clock = SimClock::new(Duration::ZERO);
    let open = || LocalStore::open(drive.mount(), Arc::new(SimClock::new(Duration::ZERO)));
    let mut store = open().await.unwrap();
    let stop = CancellationToken::new();
    let worker = store.checkpointer(0).run(stop.clone(), |_| ());
    let events = async {
        apply(&mut store);
        clock.sleep(Duration::from_secs(3)).await;
        assert_eq!(store.reader().persisted(), Lsn(1));
        drive.set_capacity(Some(drive.used()));
        for _ in 0..5 {
            apply(&mut store);
            clock.sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(store.reader().persisted(), Lsn(1));
        assert!((0..6).all(|entry| store.reader().get(&key(entry)).is_some()));
        drive.set_capacity(None);
        clock.sleep(Duration::from_secs(3)).await;
        assert_eq!(store.reader().persisted(), Lsn(6), "there is room again");
        drive.set_capacity(Some(drive.used()));
        apply(&mut store);
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(worker, events);
    ended.unwrap();
    drop(store);
    let store = open().await.unwrap();
    assert_eq!(store.applied(), Lsn(6), "the rest is in the log");
    assert!((0..6).all(|entry| store.reader().get(&key(entry)).is_some()));
}

//! A disk that other programs have filled: checkpoints wait for room, and reads go on.

use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_engines::{LocalStore, RowKey, StoreReader, TableId};
use naxos_proto::ids::{Lsn, StoreId};
use naxos_proto::seams::Clock;
use naxos_proto::seams::sim::{Drive, Fault, SimClock};
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

/// Applies an entry that writes rows of 1 KiB whose bytes are all `value`. The position of the entry is the number of
/// the last row.
fn fill(store: &mut LocalStore, rows: Range<u64>, value: u8) {
    fill_at(store, Lsn(rows.end - 1), rows, value);
}

/// As [`fill`], but the entry has the position `position`.
fn fill_at(store: &mut LocalStore, position: Lsn, rows: Range<u64>, value: u8) {
    let mut txn = store.begin();
    rows.for_each(|row| txn.put(key(row), Bytes::from(vec![value; 1 << 10])));
    txn.commit(Lsn(position.0 + 1));
}

/// Regression: a deleted row is small but costs a page. Compaction on a nearly full disk ended the node.
#[tokio::test(start_paused = true)]
async fn rows_that_lie_scattered_are_purged_as_far_as_the_disk_has_room() {
    const ROWS: u64 = 20_000;
    const STEP: usize = 128;
    let drive = Drive::new(2);
    let clock = SimClock::new(Duration::ZERO);
    let mut store = LocalStore::open(drive.mount(), Arc::new(clock.clone())).await.unwrap();
    let stop = CancellationToken::new();
    let worker = store.checkpointer(0).run(stop.clone(), |_| ());
    let events = async {
        for rows in (0..ROWS).step_by(1_000) {
            fill(&mut store, rows..rows + 1_000, 7);
            clock.sleep(Duration::from_secs(2)).await;
        }
        let reader = store.reader();
        let used = drive.used();
        assert!(used > ROWS << 10);
        let doomed: Vec<RowKey> = (0..ROWS).step_by(3).map(key).collect();
        // Nearly every page has a row to delete. To write all these pages again takes several times the room that is
        // left.
        drive.set_capacity(Some(used + (6 << 20)));
        let mut waits = 0;
        for rows in doomed.chunks(STEP) {
            while !reader.may_purge(STEP).await {
                waits += 1;
                assert!(waits < 10_000, "checkpoints make no room for the next rows");
                clock.sleep(Duration::from_millis(20)).await;
            }
            reader.purge(rows.iter().cloned());
        }
        assert!(waits > 5, "{waits} waits");
        clock.sleep(Duration::from_secs(2)).await;
        assert_eq!(reader.scan(&key(0), &key(ROWS), ROWS as usize).len() as u64, ROWS - doomed.len() as u64);
        // Not enough room for a checkpoint.
        drive.set_capacity(Some(drive.used() + (1 << 20)));
        assert!(!reader.may_purge(STEP).await);
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(worker, events);
    ended.unwrap();
}

/// Regression: the first write that found no room ended the checkpoint Worker, and with it the node.
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

/// Checks the rows. If only the first entry is applied, all bytes of rows 0 to 299 are 1. If the second one is applied
/// too, all bytes of rows 200 to 499 are 2.
fn check(reader: &StoreReader, context: &str) {
    let second = reader.applied() == Lsn(500);
    assert!(second || reader.applied() == Lsn(300), "{context}: applied {}", reader.applied());
    for row in 0..500 {
        let written = if second && row >= 200 { Some(2) } else { (row < 300).then_some(1) };
        let expected = written.map(|value| Bytes::from(vec![value; 1 << 10]));
        assert_eq!(reader.get(&key(row)), expected, "{context}: row {row}");
    }
}

/// What happens after a checkpoint has begun to wait for room.
#[derive(Clone, Copy, Debug)]
enum Then {
    Room,
    Stop,
    PowerCut,
    /// There is room again, and the power is cut at the sync with this number, counted from 1.
    RoomAndPowerCut(u64),
}

/// Regression: redb refused all use of the file after the write that found no room, and the node ended.
#[tokio::test(start_paused = true)]
async fn a_checkpoint_whose_room_others_take_meanwhile_waits_for_it() {
    let clock = SimClock::new(Duration::ZERO);
    let mut cursors_after_cuts = [0, 0];
    let thens = [Then::Room, Then::Stop, Then::PowerCut, Then::RoomAndPowerCut(1), Then::RoomAndPowerCut(2)];
    for k in 1_u64.. {
        let mut struck = 0;
        // What a power cut leaves behind depends on the seed.
        for (seed, then) in (0..10).flat_map(|seed| thens.map(|then| (seed, then))) {
            let context = format!("seed {seed}, no room from write {k} on, then {then:?}");
            let drive = Drive::new(seed);
            let open = || LocalStore::open(drive.mount(), Arc::new(SimClock::new(Duration::ZERO)));
            let mut store = open().await.unwrap();
            let reader = store.reader();
            let stop = CancellationToken::new();
            let mut worker = pin!(store.checkpointer(0).run(stop.clone(), |_| ()));
            let events = async {
                fill(&mut store, 0..300, 1);
                clock.sleep(Duration::from_secs(3)).await;
                drive.set_fault(Fault::Full { path: "store.redb".to_owned(), from: k });
                fill(&mut store, 200..500, 2);
                clock.sleep(Duration::from_secs(3)).await;
                struck = drive.struck();
                let persisted = if struck > 0 { Lsn(300) } else { Lsn(500) };
                assert_eq!(reader.persisted(), persisted, "{context}");
                check(&reader, &context);
                match then {
                    Then::Stop | Then::PowerCut => return,
                    Then::Room => {}
                    Then::RoomAndPowerCut(sync) => drive.freeze_at_sync(sync),
                }
                drive.clear_faults();
                clock.sleep(Duration::from_secs(3)).await;
            };
            tokio::select! {
                biased;
                ended = &mut worker => panic!("{context}: the node ends: {ended:?}"),
                () = events => {}
            }
            match then {
                Then::Room | Then::Stop => {
                    stop.cancel();
                    worker.await.unwrap();
                    drop((store, reader));
                }
                Then::PowerCut | Then::RoomAndPowerCut(_) => drive.crash(),
            }
            drive.clear_faults();
            let found = open().await.unwrap_or_else(|e| panic!("{context}: {e}")).reader();
            check(&found, &context);
            match then {
                _ if struck == 0 => {}
                Then::Room => assert_eq!(found.applied(), Lsn(500), "{context}"),
                Then::Stop | Then::PowerCut => assert_eq!(found.applied(), Lsn(300), "{context}"),
                Then::RoomAndPowerCut(_) => cursors_after_cuts[usize::from(found.applied() == Lsn(500))] += 1,
            }
        }
        if struck == 0 {
            assert!(k > 5, "{k} writes");
            break;
        }
    }
    assert!(cursors_after_cuts[0] > 20 && cursors_after_cuts[1] > 20, "{cursors_after_cuts:?}");
}

/// A copy gets the cursor of the file that it was made from. While a checkpoint waits for room, that cursor is ahead of
/// the copied rows. So the copy must not be used.
#[tokio::test(start_paused = true)]
async fn a_copy_is_given_up_when_others_take_the_room_of_a_checkpoint() {
    const ROWS: u64 = 4_000;
    let clock = SimClock::new(Duration::ZERO);
    let check = |reader: &StoreReader, context: &str| {
        let changed = reader.applied().0;
        for row in 0..ROWS {
            let value = if row < 300 { changed } else { 1 };
            assert_eq!(reader.get(&key(row)), Some(vec![value as u8; 1 << 10].into()), "{context}: row {row}");
        }
    };
    let (mut copied, mut filled) = (0, 0);
    for k in 1_u64.. {
        let context = format!("no room from write {k} on");
        let drive = Drive::new(k);
        let open = || LocalStore::open(drive.mount(), Arc::new(SimClock::new(Duration::ZERO)));
        let mut store = open().await.unwrap();
        let reader = store.reader();
        let stop = CancellationToken::new();
        let checkpointer = store.checkpointer(0);
        let defragmenter = checkpointer.defragmenter();
        let mut worker = pin!(checkpointer.run(stop.clone(), |_| ()));
        let mut struck = 0;
        let events = async {
            fill_at(&mut store, Lsn(0), 0..ROWS, 1);
            clock.sleep(Duration::from_secs(3)).await;
            drive.set_fault(Fault::Full { path: "store.redb".to_owned(), from: k });
            let changes = async {
                // After this time the rows that are changed next have been copied already.
                clock.sleep(Duration::from_millis(4)).await;
                fill_at(&mut store, Lsn(1), 0..300, 2);
            };
            let (done, ()) = tokio::join!(defragmenter.defragment(), changes);
            match done {
                Ok(()) => copied += 1,
                Err(e) if e.contains("was filled") => filled += 1,
                Err(e) => assert!(e.contains("failed: store.redb"), "{context}: {e}"),
            }
            check(&reader, &context);
            struck = drive.struck();
            drive.clear_faults();
            defragmenter.defragment().await.unwrap();
            // The store uses the copy now. A checkpoint that finds no room in this new file must wait, too.
            drive.set_fault(Fault::Full { path: "store.redb".to_owned(), from: 3 });
            fill_at(&mut store, Lsn(2), 0..300, 3);
            clock.sleep(Duration::from_secs(3)).await;
            assert_eq!(reader.persisted(), Lsn(2), "{context}");
            check(&reader, &context);
        };
        tokio::select! {
            biased;
            ended = &mut worker => panic!("{context}: the node ends: {ended:?}"),
            () = events => {}
        }
        drive.crash();
        drive.clear_faults();
        let found = open().await.unwrap_or_else(|e| panic!("{context}: {e}")).reader();
        assert_eq!(found.applied(), Lsn(2), "{context}");
        check(&found, &context);
        if struck == 0 {
            break;
        }
    }
    assert!(copied > 0 && filled > 1, "{copied} copied, {filled} given up for a checkpoint");
}

//! The player on a log whose reads fail for a while.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicU32;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, pending};
use futures::{FutureExt, StreamExt};
use naxos_proto::contracts::{AppendError, Cell};
use naxos_proto::ids::{Incarnation, StoreId};
use naxos_proto::seams::sim::{Drive, SimClock};
use naxos_proto::seams::{BootClock, WallTime};

use super::*;
use crate::local_store::{RowKey, TableId, Txn};

/// A log with entries of another process only. A read returns the entry at the position that is asked for. The first
/// reads fail.
struct FailingLog {
    failures_left: AtomicU32,
    failure: LogError,
    /// The stream for the first follower.
    first: Mutex<Option<Followed>>,
}

type Followed = BoxStream<'static, Result<(Vec<Record>, Lsn), LogError>>;

impl FailingLog {
    fn new(failures: u32, failure: LogError) -> Arc<Self> {
        Arc::new(Self { failures_left: AtomicU32::new(failures), failure, first: Mutex::new(None) })
    }
}

/// An entry of another process.
fn record(lsn: Lsn) -> Record {
    let mut entry = Entry::new(Bytes::from_static(b"x"));
    let header = Header { proposer: Incarnation::default(), wall: WallTime(0), control: Control::None };
    entry.set_header(crate::base::INFO.id, header.encode());
    Record { lsn, payload: entry.encode() }
}

impl SharedLog for FailingLog {
    fn append(&self, _: Vec<Cell>, _: Completion<Result<Lsn, AppendError>>) {}

    fn check_tail(&self) -> BoxFuture<'_, Result<Lsn, LogError>> {
        Box::pin(std::future::ready(Ok(Lsn(1))))
    }

    fn check_tail_now(&self) -> Option<Lsn> {
        None
    }

    fn read(&self, from: Lsn, _: Lsn, _: usize) -> BoxFuture<'_, Result<(Vec<Record>, Lsn), LogError>> {
        let fails = self.failures_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
        let answer = if fails { Err(self.failure.clone()) } else { Ok((vec![record(from)], from.next())) };
        Box::pin(std::future::ready(answer))
    }

    fn follow(self: Arc<Self>, _: Lsn) -> Followed {
        if let Some(first) = self.first.lock().take() {
            return first;
        }
        match &self.failure {
            LogError::Trimmed(_) => futures::stream::iter([Err(self.failure.clone())]).boxed(),
            _ => pending().boxed(),
        }
    }

    fn trim(&self, _: Lsn) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn ordinal(&self) -> u64 {
        1
    }
}

struct Top;

impl Applicator for Top {
    type Output = ();

    fn apply(&mut self, _: &mut Txn<'_>, _: Lsn, _: &Entry) {}

    fn is_free(&self) -> bool {
        true
    }

    fn post_apply(&mut self, _: Lsn, (): ()) {}
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_position_gets_it_although_reads_of_the_log_fail_for_a_while() {
    let store = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.expect("a new store opens");
    let log = FailingLog::new(3, LogError::Unavailable("on purpose".to_owned()));
    let player = Player::new(log.clone(), store, Top, BTreeMap::new(), Arc::new(BootClock));
    let stop = CancellationToken::new();
    let waits = async {
        player.ask_for(Lsn(1));
        player.wait_for(Lsn(1)).await;
        stop.cancel();
    };
    tokio::join!(player.run(stop.clone()), waits);
    assert_eq!(log.failures_left.load(Ordering::Relaxed), 0);
    assert_eq!(player.reader.applied(), Lsn(1));
}

/// Calls of this process wake the player again and again. The rest after an error must not begin again each time.
#[tokio::test(start_paused = true)]
async fn the_log_is_followed_again_after_an_error_although_the_player_is_woken_all_the_time() {
    let clock = Arc::new(SimClock::new(Duration::ZERO));
    let store = LocalStore::open(Drive::new(1).mount(), clock.clone()).await.expect("a new store opens");
    let failure = LogError::Unavailable("on purpose".to_owned());
    let log = FailingLog::new(0, failure.clone());
    *log.first.lock() = Some(futures::stream::iter([Err(failure)]).boxed());
    let player = Player::new(log.clone(), store, Top, BTreeMap::new(), clock.clone());
    player.follow();
    let stop = CancellationToken::new();
    let wakes = async {
        clock.sleep(Duration::from_millis(50)).await;
        *log.first.lock() = Some(futures::stream::iter([Ok((vec![record(Lsn(0))], Lsn(1)))]).chain(pending()).boxed());
        for _ in 0..30 {
            player.follow();
            clock.sleep(Duration::from_millis(50)).await;
        }
        stop.cancel();
    };
    tokio::join!(player.run(stop.clone()), wakes);
    assert_eq!(player.reader.applied(), Lsn(1), "1.5 s after the error");
}

/// Which entries a busy thread applies itself when it learns that they are durable.
#[tokio::test(start_paused = true)]
async fn a_busy_thread_applies_only_a_cheap_entry_after_which_no_other_is_on_its_way() {
    let store = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.expect("a new store opens");
    let log = FailingLog::new(0, LogError::Unavailable("never".to_owned()));
    let player = Player::new(log, store, Top, BTreeMap::new(), Arc::new(BootClock));
    let deliver = |at: u64, cost, load| {
        let mut entry = Entry::new(Bytes::from_static(b"x"));
        let header = Header { proposer: Incarnation::default(), wall: WallTime(0), control: Control::None };
        entry.set_header(crate::base::INFO.id, header.encode());
        player.deliver(Lsn(at), Own { entry, cost, settled: Completion::new(|_| ()) }, load);
        player.reader.applied()
    };
    player.own_sets_out();
    assert_eq!(deliver(0, ApplyCost::Small, ThreadLoad::Busy), Lsn(1), "cheap and alone");
    player.own_sets_out();
    player.own_sets_out();
    assert_eq!(deliver(1, ApplyCost::Small, ThreadLoad::Busy), Lsn(1), "another one is on its way");
    assert_eq!(deliver(2, ApplyCost::Small, ThreadLoad::Busy), Lsn(1), "an earlier one is not applied");
    player.pump(ApplyCost::Unknown, || Some(player.apply.lock()));
    assert_eq!(player.reader.applied(), Lsn(3));
    player.own_sets_out();
    assert_eq!(deliver(3, ApplyCost::Unknown, ThreadLoad::Busy), Lsn(3), "perhaps expensive");
    player.pump(ApplyCost::Unknown, || Some(player.apply.lock()));
    player.own_sets_out();
    assert_eq!(deliver(4, ApplyCost::Unknown, ThreadLoad::Idle), Lsn(5), "nothing else waits for the thread");
    // An expensive one comes in between, and is left to the apply Worker.
    player.own_sets_out();
    player.own_sets_out();
    assert_eq!(deliver(6, ApplyCost::Unknown, ThreadLoad::Busy), Lsn(5), "an earlier one is not applied");
    assert_eq!(deliver(5, ApplyCost::Small, ThreadLoad::Busy), Lsn(6), "the cheap one only");
}

/// Panics at the first entry, as an apply that has met a fault, and not again, as an engine that has noted in memory that it
/// applied the entry.
#[derive(Default)]
struct PanicsOnce(bool);

impl Applicator for PanicsOnce {
    type Output = ();

    fn apply(&mut self, _: &mut Txn<'_>, _: Lsn, _: &Entry) {
        assert!(std::mem::replace(&mut self.0, true), "on purpose");
    }

    fn is_free(&self) -> bool {
        true
    }

    fn post_apply(&mut self, _: Lsn, (): ()) {}
}

#[tokio::test]
async fn the_cursor_does_not_pass_an_entry_whose_apply_panicked() {
    let store = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.expect("a new store opens");
    let log = FailingLog::new(0, LogError::Unavailable("never".to_owned()));
    let player = Player::new(log, store, PanicsOnce::default(), BTreeMap::new(), Arc::new(BootClock));
    for attempt in 0..2 {
        let applied = AssertUnwindSafe(player.play_to(Lsn(1))).catch_unwind().await;
        assert!(applied.is_err(), "attempt {attempt}");
        assert_eq!(player.reader.applied(), Lsn(0), "attempt {attempt}");
    }
    let skipped = std::panic::catch_unwind(AssertUnwindSafe(|| player.skip_to(&mut player.apply.lock(), Lsn(1))));
    assert!(skipped.is_err() && player.reader.applied() == Lsn(0));
}

/// Writes a row of 1 MiB for each entry.
struct Heavy;

impl Applicator for Heavy {
    type Output = ();

    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, _: &Entry) {
        let row = RowKey::new(StoreId(0), TableId(40), &lsn.0.to_be_bytes());
        txn.put(row, Bytes::from(vec![1; 1 << 20]));
    }

    fn is_free(&self) -> bool {
        false
    }

    fn post_apply(&mut self, _: Lsn, (): ()) {}
}

#[tokio::test(start_paused = true)]
async fn nothing_more_is_applied_when_the_checkpoint_is_far_behind() {
    let store = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.expect("a new store opens");
    let checkpointer = store.checkpointer(0);
    let log = FailingLog::new(0, LogError::Unavailable("never".to_owned()));
    let player = Player::new(log, store, Heavy, BTreeMap::new(), Arc::new(BootClock));
    player.follow();
    player.ask_for(Lsn(300));
    let stop = CancellationToken::new();
    let waits = async {
        // Apply stops when two deltas are frozen, which is the most, and the open one has 128 MiB.
        player.wait_for(Lsn(140)).await;
        BootClock.sleep(Duration::from_secs(5)).await;
        let applied = player.reader.applied().0;
        assert!((140..160).contains(&applied), "{applied} entries of 1 MiB were applied");
        tokio::select! {
            biased;
            () = player.wait_for(Lsn(300)) => {}
            _ = checkpointer.run(stop.clone(), |_| ()) => panic!("the checkpoint Worker ended, and nobody stopped it"),
        }
        stop.cancel();
    };
    tokio::join!(player.run(stop.clone()), waits);
}

#[tokio::test]
async fn callers_that_give_up_do_not_pile_up_while_nothing_is_applied() {
    let store = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.expect("a new store opens");
    let log = FailingLog::new(0, LogError::Unavailable("on purpose".to_owned()));
    let player = Player::new(log, store, Top, BTreeMap::new(), Arc::new(BootClock));
    let mut most = 0;
    for _ in 0..10_000 {
        assert!(player.wait_for(Lsn(1)).now_or_never().is_none(), "nothing is applied");
        most = most.max(player.waiters.lock().len());
    }
    assert!(most <= 100, "{most} callers that gave up were kept");
}

/// Whether a player of `log` says within 10 s that it fell behind. It follows the log, or is asked for a position.
async fn falls_behind(log: Arc<FailingLog>, follows: bool) -> bool {
    let store = LocalStore::open(Drive::new(2).mount(), Arc::new(BootClock)).await.expect("a new store opens");
    let player = Player::new(log, store, Top, BTreeMap::new(), Arc::new(BootClock));
    if follows {
        player.follow()
    } else {
        player.ask_for(Lsn(1))
    }
    tokio::select! {
        biased;
        () = player.run(CancellationToken::new()) => unreachable!("it is not stopped"),
        () = player.fell_behind() => true,
        () = BootClock.sleep(Duration::from_secs(10)) => false,
    }
}

#[tokio::test(start_paused = true)]
async fn a_player_whose_next_entry_was_trimmed_says_that_it_fell_behind() {
    for follows in [true, false] {
        assert!(falls_behind(FailingLog::new(u32::MAX, LogError::Trimmed(Lsn(9))), follows).await);
        let other = LogError::Unavailable("on purpose".to_owned());
        assert!(!falls_behind(FailingLog::new(u32::MAX, other), follows).await, "it may go on later");
    }
}

#[tokio::test(start_paused = true)]
async fn a_player_did_not_fall_behind_if_only_its_stream_of_the_log_stands_at_a_trimmed_position() {
    let store = LocalStore::open(Drive::new(3).mount(), Arc::new(BootClock)).await.expect("a new store opens");
    let log = FailingLog::new(0, LogError::Unavailable("on purpose".to_owned()));
    let (trims, is_trimmed) = tokio::sync::oneshot::channel();
    let trimmed = async move {
        is_trimmed.await.expect("it is trimmed");
        Err(LogError::Trimmed(Lsn(1)))
    };
    *log.first.lock() = Some(futures::stream::once(trimmed).boxed());
    let player = Player::new(log.clone(), store, Top, BTreeMap::new(), Arc::new(BootClock));
    player.follow();
    let plays = async {
        while log.first.lock().is_some() {
            tokio::task::yield_now().await;
        }
        player.ask_for(Lsn(1));
        player.wait_for(Lsn(1)).await;
        trims.send(()).expect("the stream is there");
        BootClock.sleep(Duration::from_secs(10)).await;
    };
    tokio::select! {
        biased;
        () = player.run(CancellationToken::new()) => unreachable!("it is not stopped"),
        () = player.fell_behind() => panic!("the player says that it fell behind, but nothing is missing"),
        () = plays => {}
    }
}

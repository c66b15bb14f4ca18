//! The virtual log on memory loglets: order, reconfiguration during appends, reads across segments, trimming.

#![expect(clippy::disallowed_methods, reason = "a test's tasks end with the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use naxos_client::loglets::MemoryProvider;
use naxos_client::{
    Liveness, LogError, Loglet, LogletError, LogletProvider, MemoryMetaStore, ReconfigureError, Record, SharedLog,
    VirtualLog, VirtualLogConfig, VirtualLogParts,
};
use naxos_proto::chain::{Chain, LogletKind, LogletParams, Segment};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{
    APPEND_BYTES_MAX, AppendError, Cell, MetaError, MetaStore, PutOutcome, Refusal, Versioned,
};
use naxos_proto::ids::{ChainVersion, Incarnation, LogId, LogletId, Lsn};
use naxos_proto::seams::{BootClock, OsEntropy};
use parking_lot::Mutex;
use tokio::sync::watch;

async fn open(meta: &Arc<MemoryMetaStore>, loglets: &Arc<MemoryProvider>) -> Arc<VirtualLog> {
    open_on(meta.clone(), loglets).await
}

async fn open_on(meta: Arc<dyn MetaStore>, loglets: &Arc<MemoryProvider>) -> Arc<VirtualLog> {
    VirtualLog::start(parts(meta, loglets)).await.expect("memory opens")
}

fn parts(meta: Arc<dyn MetaStore>, loglets: &Arc<MemoryProvider>) -> VirtualLogParts {
    let takeover_after = Duration::from_millis(20);
    VirtualLogParts {
        config: VirtualLogConfig { log: LogId(7), kind: LogletKind::MEMORY, begin: Lsn::ZERO, takeover_after },
        meta,
        providers: vec![loglets.clone()],
        alive: watch::Sender::new(Liveness {
            sequencers: vec![Incarnation::default()],
            units: Vec::new(),
            silent: Vec::new(),
            units_min: 0,
        })
        .subscribe(),
        clock: Arc::new(BootClock),
        entropy: Arc::new(OsEntropy),
    }
}

fn cell(n: u64) -> Cell {
    Cell::new(Bytes::copy_from_slice(&n.to_be_bytes()))
}

async fn append(log: &VirtualLog, n: u64) -> Result<Lsn, AppendError> {
    let (done, outcome) = Completion::channel();
    log.append(vec![cell(n)], done);
    outcome.await
}

async fn everything(log: &VirtualLog) -> Vec<u64> {
    let tail = log.check_tail().await.unwrap();
    let mut at = Lsn::ZERO;
    let mut found = Vec::new();
    while at < tail {
        let (records, next) = log.read(at, tail, 64).await.unwrap();
        found.extend(records.iter().map(|r| u64::from_be_bytes(r.payload[..].try_into().unwrap())));
        at = next;
    }
    found
}

/// If a loglet had to refuse an append that is too large, the loglet would end. So would each of its successors,
/// because the append goes on to them.
#[tokio::test]
async fn an_append_that_is_too_large_is_refused_before_it_gets_a_position() {
    let log = open(&Arc::default(), &Arc::default()).await;
    let append_bytes = async |bytes: usize| {
        let (done, outcome) = Completion::channel();
        log.append(vec![Cell::new(vec![1; bytes].into())], done);
        outcome.await
    };
    assert_eq!(append_bytes(APPEND_BYTES_MAX).await, Ok(Lsn(0)));
    let (bytes, bytes_max) = (APPEND_BYTES_MAX as u64 + 1, APPEND_BYTES_MAX as u64);
    assert_eq!(append_bytes(APPEND_BYTES_MAX + 1).await, Err(Refusal::TooLarge { bytes, bytes_max }.into()));
    assert_eq!(append(&log, 1).await, Ok(Lsn(1)));
    assert_eq!(log.chain().1.segments.len(), 1);
}

#[tokio::test]
async fn appends_keep_their_order_across_reconfigurations() {
    let log = open(&Arc::default(), &Arc::default()).await;
    let changing = tokio::spawn({
        let log = log.clone();
        async move {
            for _ in 0..20 {
                log.reconfigure(None).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    let mut outcomes = Vec::new();
    for n in 0..500 {
        let (done, outcome) = Completion::channel();
        log.append(vec![cell(n)], done);
        outcomes.push(outcome);
        if n % 10 == 0 {
            tokio::task::yield_now().await;
        }
    }
    changing.await.unwrap();
    let mut last = None;
    for outcome in outcomes {
        let lsn = outcome.await.expect("appended");
        assert!(last.is_none_or(|l| l < lsn), "positions rise in the order of the calls");
        last = Some(lsn);
    }
    assert_eq!(everything(&log).await, (0..500).collect::<Vec<_>>());
    assert_eq!(log.ordinal(), 21);
}

#[tokio::test]
async fn a_second_start_ends_the_segment_of_the_first_and_reads_it() {
    let (meta, loglets) = (Arc::default(), Arc::default());
    let first = open(&meta, &loglets).await;
    assert_eq!(append(&first, 1).await, Ok(Lsn(0)));
    let second = open(&meta, &loglets).await;
    assert_eq!(append(&second, 2).await, Ok(Lsn(1)));
    assert_eq!(everything(&second).await, [1, 2]);
    assert_eq!(second.chain().1.segments.len(), 2);
}

#[tokio::test]
async fn an_append_that_meets_a_seal_goes_to_the_successor_that_another_made() {
    let (meta, loglets) = (Arc::default(), Arc::default());
    let first = open(&meta, &loglets).await;
    let second = open(&meta, &loglets).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let tending = tokio::spawn({
        let (first, stop) = (first.clone(), stop.clone());
        async move { first.tend(stop).await }
    });
    // The loglet that the first log uses is sealed, but the first log has not learned of the seal yet.
    assert_eq!(append(&first, 1).await, Ok(Lsn(0)));
    assert_eq!(append(&second, 2).await, Ok(Lsn(1)));
    assert_eq!(first.check_tail().await, Ok(Lsn(2)), "never the tail of a sealed loglet");
    stop.cancel();
    tending.await.unwrap();
}

/// Loglets in memory. While `refuses` is set, their sequencer refuses to serve them, like one that was started again.
struct Unserved {
    loglets: Arc<MemoryProvider>,
    refuses: AtomicBool,
}

impl LogletProvider for Unserved {
    fn kind(&self) -> LogletKind {
        self.loglets.kind()
    }

    fn open(&self, params: &LogletParams) -> Result<Arc<dyn Loglet>, LogletError> {
        self.loglets.open(params)
    }

    fn prepare<'a>(&'a self, params: &'a LogletParams) -> BoxFuture<'a, Result<(), LogletError>> {
        self.loglets.prepare(params)
    }

    fn serve<'a>(&'a self, params: &'a LogletParams, start: Lsn) -> BoxFuture<'a, Result<(), LogletError>> {
        if self.refuses.load(Ordering::Relaxed) {
            let refused = Err(LogletError::Unavailable("the sequencer was started again".to_owned()));
            return Box::pin(std::future::ready(refused));
        }
        self.loglets.serve(params, start)
    }

    fn raise_floor<'a>(&'a self, gone: &'a [LogletParams], ordinal: u64) -> BoxFuture<'a, Result<(), LogletError>> {
        self.loglets.raise_floor(gone, ordinal)
    }

    fn choose_params(&self, id: LogletId, alive: &Liveness) -> Result<LogletParams, LogletError> {
        self.loglets.choose_params(id, alive)
    }
}

#[tokio::test]
async fn a_chain_whose_sequencer_does_not_serve_is_adopted_and_can_be_replaced() {
    let (meta, loglets) = (Arc::<MemoryMetaStore>::default(), Arc::<MemoryProvider>::default());
    let unserved = Arc::new(Unserved { loglets: loglets.clone(), refuses: AtomicBool::new(false) });
    let first =
        VirtualLog::start(VirtualLogParts { providers: vec![unserved.clone()], ..parts(meta.clone(), &loglets) });
    let first = first.await.expect("it opens");
    let second = open(&meta, &loglets).await;
    unserved.refuses.store(true, Ordering::Relaxed);
    let seen = first.chain().0;
    assert!(first.adopt_newer(seen).await.expect("the chain is adopted"));
    assert_eq!(first.chain(), second.chain());
    first.reconfigure(None).await.expect("the segment of the sequencer that does not serve can be ended");
}

#[tokio::test]
async fn trimming_drops_segments_and_reads_below_say_so() {
    let log = open(&Arc::default(), &Arc::default()).await;
    for n in 0..4 {
        append(&log, n).await.unwrap();
        log.reconfigure(None).await.unwrap();
    }
    log.trim(Lsn(2)).await.unwrap();
    assert_eq!(log.chain().1.start(), Lsn(2));
    assert!(matches!(log.read(Lsn(1), Lsn(4), 64).await, Err(LogError::Trimmed(_))));
    let (records, next) = log.read(Lsn(2), Lsn(4), 1).await.unwrap();
    assert_eq!((records.len(), next), (1, Lsn(3)));
}

/// A register that can be read, but accepts no value while it is full.
#[derive(Default)]
struct FullMetaStore {
    register: MemoryMetaStore,
    full: AtomicBool,
}

impl MetaStore for FullMetaStore {
    fn get(&self) -> BoxFuture<'_, Result<Versioned, MetaError>> {
        self.register.get()
    }

    fn put(&self, expected: ChainVersion, bytes: Bytes) -> BoxFuture<'_, Result<PutOutcome, MetaError>> {
        if self.full.load(Ordering::Relaxed) {
            return Box::pin(async { Err(MetaError::Unavailable("the disk is full".to_owned())) });
        }
        self.register.put(expected, bytes)
    }
}

#[tokio::test]
async fn trimming_makes_room_although_the_metadata_store_has_none() {
    let meta = Arc::new(FullMetaStore::default());
    let log = open_on(meta.clone(), &Arc::default()).await;
    for n in 0..4 {
        append(&log, n).await.unwrap();
        log.reconfigure(None).await.unwrap();
    }
    meta.full.store(true, Ordering::Relaxed);
    assert!(log.trim(Lsn(3)).await.is_err(), "the chain still names the segments");
    assert!(matches!(log.read(Lsn(2), Lsn(4), 64).await, Err(LogError::Trimmed(_))), "their cells are gone");
    assert!(log.read(Lsn(3), Lsn(4), 64).await.is_ok());
    meta.full.store(false, Ordering::Relaxed);
    log.trim(Lsn(3)).await.unwrap();
    assert_eq!(log.chain().1.start(), Lsn(3));
}

#[tokio::test]
async fn rule_1_the_tail_of_a_sealed_loglet_is_never_the_tail_of_the_log() {
    let (meta, loglets) = (Arc::default(), Arc::default());
    let first = open(&meta, &loglets).await;
    assert_eq!(append(&first, 1).await, Ok(Lsn(0)));
    assert_eq!(first.check_tail_now(), Some(Lsn(1)));
    let second = open(&meta, &loglets).await;
    assert_eq!(append(&second, 2).await, Ok(Lsn(1)));
    // Nobody tells the first log about the successor.
    assert_eq!(first.check_tail_now(), None);
    assert!(matches!(first.check_tail().await, Err(LogError::Unavailable(_))));
}

#[tokio::test]
async fn rule_2_what_a_loglet_holds_past_the_end_of_its_segment_is_invisible() {
    let (meta, loglets) = (Arc::<MemoryMetaStore>::default(), Arc::<MemoryProvider>::default());
    let params = |ordinal| LogletParams {
        id: LogletId { log: LogId(7), ordinal, nonce: ordinal },
        kind: LogletKind::MEMORY,
        bytes: Bytes::new(),
    };
    // The chain ended the first segment at 2, but cells 2 and 3 became durable too.
    for (ordinal, cells) in [(1, [10, 11, 66, 67].as_slice()), (2, [12, 13].as_slice())] {
        let loglet = loglets.open(&params(ordinal)).unwrap();
        loglet.append(cells.iter().map(|n| cell(*n)).collect(), Completion::new(|_| ()));
    }
    let segments = vec![
        Segment { start: Lsn(0), end: Some(Lsn(2)), params: params(1) },
        Segment { start: Lsn(2), end: None, params: params(2) },
    ];
    meta.put(ChainVersion(0), Chain { log: LogId(7), segments }.encode()).await.unwrap();
    let log = open(&meta, &loglets).await;
    assert_eq!(append(&log, 14).await, Ok(Lsn(4)));
    assert_eq!(everything(&log).await, [10, 11, 12, 13, 14]);
    let seen = take_until(&mut Arc::clone(&log).follow(Lsn::ZERO), Lsn(5)).await;
    assert_eq!(
        seen,
        [10, 11, 12, 13, 14].into_iter().enumerate().map(|(at, n)| (Lsn(at as u64), n)).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn opening_learns_the_chain_and_reconfigures_nothing() {
    let (meta, loglets) = (Arc::<MemoryMetaStore>::default(), Arc::default());
    let nothing = VirtualLog::open(parts(meta.clone(), &loglets)).await;
    assert!(matches!(nothing, Err(ReconfigureError::NoChain)));
    let first = open(&meta, &loglets).await;
    assert_eq!(append(&first, 1).await, Ok(Lsn(0)));
    let reader = VirtualLog::open(parts(meta.clone(), &loglets)).await.unwrap();
    assert_eq!(reader.chain(), first.chain());
    assert_eq!(everything(&reader).await, [1]);
    assert_eq!(append(&first, 2).await, Ok(Lsn(1)), "nobody sealed its loglet");
    reader.take_office().await.unwrap();
    assert_eq!(reader.chain().1.segments.len(), 2);
    assert_eq!(append(&reader, 3).await, Ok(Lsn(2)));
}

/// A register in which another change can happen between a caller's get and its next put.
#[derive(Default)]
struct Interrupted {
    register: MemoryMetaStore,
    before_put: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl MetaStore for Interrupted {
    fn get(&self) -> BoxFuture<'_, Result<Versioned, MetaError>> {
        self.register.get()
    }

    fn put(&self, expected: ChainVersion, bytes: Bytes) -> BoxFuture<'_, Result<PutOutcome, MetaError>> {
        let before = self.before_put.lock().take();
        Box::pin(async move {
            if let Some(before) = before {
                before.await;
            }
            self.register.put(expected, bytes).await
        })
    }
}

/// A register that answers with an old value while it has one.
#[derive(Default)]
struct Forgetful {
    register: MemoryMetaStore,
    old: Mutex<Option<Versioned>>,
}

impl MetaStore for Forgetful {
    fn get(&self) -> BoxFuture<'_, Result<Versioned, MetaError>> {
        let old = self.old.lock().clone();
        Box::pin(async move { old.map_or(self.register.get().await, Ok) })
    }

    fn put(&self, expected: ChainVersion, bytes: Bytes) -> BoxFuture<'_, Result<PutOutcome, MetaError>> {
        self.register.put(expected, bytes)
    }
}

#[tokio::test]
async fn a_chain_that_is_older_than_the_known_one_is_never_adopted() {
    let meta = Arc::new(Forgetful::default());
    let log = open_on(meta.clone(), &Arc::default()).await;
    let first = meta.register.get().await.unwrap();
    log.reconfigure(None).await.unwrap();
    let known = log.chain();
    *meta.old.lock() = Some(first.clone());
    let refused = log.adopt_newer(known.0).await;
    assert!(matches!(refused, Err(ReconfigureError::WentBack { found, .. }) if found == first.version), "{refused:?}");
    assert!(matches!(log.reconfigure(None).await, Err(ReconfigureError::WentBack { .. })));
    assert_eq!(log.chain(), known);
    *meta.old.lock() = None;
    log.reconfigure(None).await.expect("the log goes on");
}

/// Two logs on one register, with three ended segments of one entry each and an open one.
async fn two_logs(meta: &Arc<Interrupted>) -> (Arc<VirtualLog>, Arc<VirtualLog>) {
    let loglets = Arc::default();
    let one = open_on(meta.clone(), &loglets).await;
    for n in 0..3 {
        append(&one, n).await.unwrap();
        one.reconfigure(None).await.unwrap();
    }
    let other = VirtualLog::open(parts(meta.clone(), &loglets)).await.unwrap();
    (one, other)
}

#[tokio::test]
async fn losing_a_race_to_a_trim_is_not_losing_a_reconfiguration() {
    let meta = Arc::new(Interrupted::default());
    let (one, other) = two_logs(&meta).await;
    *meta.before_put.lock() = Some(Box::pin(async move { other.trim(Lsn(2)).await.unwrap() }));
    let done = one.reconfigure(None).await.unwrap();
    assert_eq!(done.chain.start(), Lsn(2), "the trim holds");
    assert_eq!(done.chain.active().params.id.ordinal, 5, "and so does the change");
    assert_eq!(append(&one, 3).await, Ok(Lsn(3)));
}

#[tokio::test]
async fn a_trim_that_meets_a_reconfiguration_trims_the_new_chain() {
    let meta = Arc::new(Interrupted::default());
    let (one, other) = two_logs(&meta).await;
    *meta.before_put.lock() = Some(Box::pin(async move { drop(other.reconfigure(None).await.unwrap()) }));
    one.trim(Lsn(2)).await.unwrap();
    let (_, chain) = one.chain();
    assert_eq!((chain.start(), chain.active().params.id.ordinal), (Lsn(2), 5));
    assert_eq!(append(&one, 3).await, Ok(Lsn(3)), "appends go to the new loglet");
}

/// Takes items from `followed` until its position is `until`.
async fn take_until(
    followed: &mut BoxStream<'static, Result<(Vec<Record>, Lsn), LogError>>,
    until: Lsn,
) -> Vec<(Lsn, u64)> {
    let (mut at, mut seen) = (Lsn::ZERO, Vec::new());
    while at < until {
        let (records, next) = followed.next().await.expect("the stream goes on").expect("without an error");
        assert!(next > at, "each item goes on from a higher position");
        at = next;
        let number = |r: &Record| u64::from_be_bytes(r.payload[..].try_into().unwrap());
        seen.extend(records.iter().map(|r| (r.lsn, number(r))));
    }
    seen
}

#[tokio::test]
async fn a_follower_sees_every_entry_once_across_reconfigurations() {
    let log = open(&Arc::default(), &Arc::default()).await;
    let mut followed = Arc::clone(&log).follow(Lsn::ZERO);
    let appending = async {
        for n in 0..200 {
            append(&log, n).await.unwrap();
            if n % 20 == 0 {
                log.reconfigure(None).await.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    let (seen, ()) = futures::join!(take_until(&mut followed, Lsn(200)), appending);
    assert_eq!(seen, (0..200).map(|n| (Lsn(n), n)).collect::<Vec<_>>());
    log.trim(Lsn(50)).await.unwrap();
    let mut late = Arc::clone(&log).follow(Lsn(3));
    assert!(matches!(late.next().await, Some(Err(LogError::Trimmed(_)))));
    assert!(late.next().await.is_none(), "an error ends the stream");
}

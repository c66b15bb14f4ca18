//! Completing a reconfiguration that another process began and did not finish.

#![expect(clippy::disallowed_methods, reason = "a test's tasks end with the test")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos_client::loglets::MemoryProvider;
use naxos_client::{
    Liveness, LogletProvider, MemoryMetaStore, SharedLog, VirtualLog, VirtualLogConfig, VirtualLogParts,
};
use naxos_proto::chain::LogletKind;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell};
use naxos_proto::ids::{Incarnation, LogId, Lsn};
use naxos_proto::seams::{BootClock, OsEntropy};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

type Outcome = BoxFuture<'static, Result<Lsn, AppendError>>;

async fn open(loglets: &Arc<MemoryProvider>) -> Arc<VirtualLog> {
    open_on(loglets, Arc::<MemoryMetaStore>::default(), Duration::from_millis(20)).await
}

async fn open_on(
    loglets: &Arc<MemoryProvider>,
    meta: Arc<MemoryMetaStore>,
    takeover_after: Duration,
) -> Arc<VirtualLog> {
    let alive =
        Liveness { sequencers: vec![Incarnation::default()], units: Vec::new(), silent: Vec::new(), units_min: 0 };
    let parts = VirtualLogParts {
        config: VirtualLogConfig { log: LogId(7), kind: LogletKind::MEMORY, begin: Lsn::ZERO, takeover_after },
        meta,
        providers: vec![loglets.clone()],
        alive: watch::Sender::new(alive).subscribe(),
        clock: Arc::new(BootClock),
        entropy: Arc::new(OsEntropy),
    };
    VirtualLog::start(parts).await.expect("memory opens")
}

fn append(log: &VirtualLog) -> Outcome {
    let (done, outcome) = Completion::channel();
    log.append(vec![Cell::new(Bytes::from_static(b"x"))], done);
    outcome
}

/// Completes reconfigurations of `log` until the token is cancelled.
fn tend(log: &Arc<VirtualLog>) -> CancellationToken {
    let (log, stop) = (Arc::clone(log), CancellationToken::new());
    let ends = stop.clone();
    tokio::spawn(async move { log.tend(ends).await });
    stop
}

/// An append that finds the loglet sealed by another process, so that `tend` is woken.
async fn append_to_sealed(log: &VirtualLog, loglets: &MemoryProvider) -> Outcome {
    let active = log.chain().1.active().params.clone();
    loglets.open(&active).expect("memory opens").seal().await.expect("memory seals");
    let outcome = append(log);
    // Less than the time for which `tend` leaves the change to the process that sealed the loglet.
    tokio::time::sleep(Duration::from_millis(5)).await;
    outcome
}

#[tokio::test]
async fn a_wake_up_that_is_older_than_the_active_loglet_changes_nothing() {
    let loglets = Arc::default();
    let log = open(&loglets).await;
    let stop = tend(&log);
    let outcome = append_to_sealed(&log, &loglets).await;
    log.reconfigure(None).await.unwrap();
    assert_eq!(outcome.await, Ok(Lsn(0)));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(log.ordinal(), 2, "one change was enough");
    stop.cancel();
}

#[tokio::test]
async fn a_process_adopts_a_successor_of_which_nobody_has_told_it() {
    let (loglets, meta) = (Arc::default(), Arc::<MemoryMetaStore>::default());
    let log = open_on(&loglets, Arc::clone(&meta), Duration::from_secs(60)).await;
    let stop = tend(&log);
    assert_eq!(append(&log).await, Ok(Lsn(0)));
    // The other process seals the loglet, installs a successor, and ends before it tells anybody.
    drop(open_on(&loglets, meta, Duration::from_secs(60)).await);
    let outcome = tokio::time::timeout(Duration::from_secs(20), append(&log)).await.expect("it is adopted");
    assert_eq!(outcome, Ok(Lsn(1)));
    assert_eq!(log.ordinal(), 2, "one change was enough");
    stop.cancel();
}

#[tokio::test]
async fn a_trim_does_not_lose_the_wake_up_of_a_sealed_loglet() {
    let loglets = Arc::default();
    let log = open(&loglets).await;
    assert_eq!(append(&log).await, Ok(Lsn(0)));
    log.reconfigure(None).await.unwrap();
    let stop = tend(&log);
    let outcome = append_to_sealed(&log, &loglets).await;
    log.trim(Lsn(1)).await.unwrap();
    let outcome = tokio::time::timeout(Duration::from_secs(5), outcome).await.expect("somebody makes a successor");
    assert_eq!(outcome, Ok(Lsn(1)));
    stop.cancel();
}

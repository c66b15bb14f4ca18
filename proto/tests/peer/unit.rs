//! A storage unit of another node that is slow, gone or overrun.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{
    Cell, CellOutcome, CellState, Followed, LocalTail, Purpose, StorageUnit, Store, Stored, TailReaches, UnitError,
};
use naxos_proto::ids::{ChainVersion, Offset};
use naxos_proto::peer::limits::{
    BACKOFF_MAX, CALL_BYTES_MAX, CALL_MAX, CONNECT_MAX, FOLLOW_SILENCE_MAX, LANE_BYTES_MAX, LANE_CALLS_MAX,
    SERVED_CALLS_MAX, WAIT_ROUND,
};
use naxos_proto::peer::{Home, RemoteUnit, UnitService};
use naxos_proto::seams::Clock;
use tonic::service::Routes;

use crate::fake_unit::{FakeUnit, TAIL};
use crate::world::{CALLER, LOGLET, Network, OWNER, SERVER, home, simulate};

const WRITTEN: [CellOutcome; 1] = [CellOutcome::Written];

fn request(at: u64, bytes: usize) -> Store {
    let cells = vec![Cell::new(Bytes::from(vec![7; bytes]))];
    let purpose = Purpose::Append { known_tail: Offset(0) };
    Store { loglet: LOGLET, incarnation: OWNER, at: Offset(at), cells, purpose }
}

fn store(unit: &RemoteUnit, at: u64, bytes: usize) -> BoxFuture<'static, Result<Stored, UnitError>> {
    let (done, stored) = Completion::channel();
    unit.store(request(at, bytes), done);
    stored
}

fn routes(unit: &Arc<FakeUnit>) -> Routes {
    Routes::new(UnitService::server(&home(SERVER), unit.clone()))
}

/// A fake unit that is served, and a stub for it.
fn world(answers: bool) -> (Network, Arc<FakeUnit>, RemoteUnit, Home) {
    let (network, fake, caller) = (Network::new(), FakeUnit::new(answers), home(CALLER));
    network.serve(routes(&fake));
    let unit = RemoteUnit::new(&network.link(caller.clone()));
    (network, fake, unit, caller)
}

/// Runs `call` and tells how long it took.
async fn timed<T>(clock: &dyn Clock, call: impl Future<Output = T>) -> (T, Duration) {
    let began = clock.now();
    (call.await, clock.now().since(began))
}

#[test]
fn changes_reach_the_unit_in_the_order_of_the_calls() {
    simulate(async {
        let (_network, fake, unit, _) = world(true);
        let (mut answers, mut expected): (Vec<BoxFuture<'_, bool>>, Vec<_>) = Default::default();
        for n in 0..200 {
            // The calls are made here, and their answers are waited for below.
            let (stored, sealed) = (store(&unit, n, 100), unit.seal(LOGLET));
            let (trimmed, tail) = (unit.trim(LOGLET, Offset(n)), unit.tail(LOGLET));
            answers.push(Box::pin(async { stored.await.is_ok_and(|stored| stored.cells == WRITTEN) }));
            answers.push(Box::pin(async { (sealed.await, trimmed.await, tail.await) == (Ok(TAIL), Ok(()), Ok(TAIL)) }));
            expected.extend([("store", n), ("seal", 0), ("trim", n), ("tail", 0)]);
        }
        assert!(futures::future::join_all(answers).await.into_iter().all(|is_right| is_right));
        assert_eq!(fake.calls(), expected);
    });
}

/// A change whose future waits inside the unit must not be overtaken by the next call.
#[test]
fn a_change_that_waits_is_begun_before_the_next_one() {
    simulate(async {
        let (_network, fake, unit, caller) = world(false);
        let (sealed, stored) = (unit.seal(LOGLET), store(&unit, 1, 1));
        caller.clock.sleep(Duration::from_millis(1)).await;
        assert_eq!(fake.calls(), [("seal", 0), ("store", 1)]);
        fake.answer();
        assert!(sealed.await.is_ok() && stored.await.is_ok());
    });
}

#[test]
fn known_tails_are_told_before_later_stores_and_only_the_highest() {
    simulate(async {
        let (_network, fake, unit, _) = world(true);
        for tail in [3, 9, 4] {
            unit.advance(LOGLET, Offset(tail));
        }
        assert!(store(&unit, 9, 1).await.is_ok());
        assert_eq!(fake.calls(), [("advance", 9), ("store", 9)]);
    });
}

#[test]
fn all_calls_are_answered() {
    simulate(async {
        let (_network, _fake, unit, _) = world(true);
        let range = Offset(3)..Offset(8);
        assert_eq!(unit.tail_now(LOGLET), None);
        assert_eq!(unit.read(LOGLET, range.clone(), 1).await, Ok(vec![CellState::Junk]));
        assert_eq!(unit.held(LOGLET, range.clone()).await, Ok(vec![range]));
        for (purpose, sealed) in [(Purpose::Append { known_tail: Offset(1) }, false), (Purpose::Repair, true)] {
            let filled = Stored { cells: vec![CellOutcome::Gap], sealed };
            assert_eq!(unit.fill(LOGLET, OWNER, Offset(1), purpose).await, Ok(filled));
        }
        assert_eq!(unit.drop_loglet(LOGLET).await, Ok(()));
        assert_eq!(unit.raise_floor(LOGLET.log, 3).await, Ok(()));
        assert_eq!(unit.wait_tail(LOGLET, TailReaches::Known(Offset(1))).await, Ok(TAIL));
        let items: Vec<_> = unit.follow(LOGLET, Offset(2)).collect().await;
        assert_eq!(items, [Ok(Followed::KnownTail(Offset(2))), Ok(Followed::Sealed(Offset(2)))]);
        let told: Vec<_> = unit.tell_tails(LOGLET).collect().await;
        assert_eq!(
            told,
            [Ok(TAIL), Ok(LocalTail { sealed: true, ..TAIL })],
            "nothing follows a tail with the seal bit"
        );
    });
}

#[test]
fn a_connection_that_is_cut_leaves_calls_unanswered_and_the_next_call_works_when_the_peer_is_back() {
    simulate(async {
        let (network, fake, unit, caller) = world(false);
        let clock = caller.clock.as_ref();
        let sent = store(&unit, 1, 100);
        clock.sleep(Duration::from_millis(100)).await;
        assert_eq!(fake.calls(), [("store", 1)]);
        network.cut();
        let (lost, took) = timed(clock, sent).await;
        assert_eq!(lost, Err(UnitError::Unanswered));
        assert!(took < Duration::from_millis(100), "a cut is noticed at once: {took:?}");
        // While the peer is away, callers hear soon that it is.
        let (lost, took) = timed(clock, store(&unit, 2, 100)).await;
        assert_eq!(lost, Err(UnitError::Unanswered));
        assert!(took <= BACKOFF_MAX, "{took:?}");
        assert_eq!(unit.read(LOGLET, Offset(0)..Offset(1), 1).await, Err(UnitError::Unanswered));
        // These attempts are enough for the pauses to reach their greatest length.
        for _ in 0..12 {
            assert_eq!(store(&unit, 2, 100).await, Err(UnitError::Unanswered));
        }

        let back = FakeUnit::new(true);
        network.serve(routes(&back));
        let (stored, took) = timed(clock, store(&unit, 3, 100)).await;
        assert!(stored.is_ok_and(|stored| stored.cells == WRITTEN));
        assert!(took <= BACKOFF_MAX, "the pauses between attempts are bounded: {took:?}");
        assert_eq!(back.calls(), [("store", 3)], "what was lost is not sent again");
    });
}

#[test]
fn a_call_that_is_never_answered_ends_at_the_deadline() {
    simulate(async {
        let (_network, _fake, unit, caller) = world(false);
        let clock = caller.clock.as_ref();
        let slack = Duration::from_millis(10);
        let unanswered = Err(UnitError::Unanswered);
        for _ in 0..2 {
            let (stored, took) = timed(clock, store(&unit, 1, 100)).await;
            assert!(stored == Err(UnitError::Unanswered) && took >= CALL_MAX && took < CALL_MAX + slack, "{took:?}");
        }
        let (sealed, took) = timed(clock, unit.seal(LOGLET)).await;
        assert!(sealed == unanswered && took < CALL_MAX + slack, "{took:?}");
        let (read, took) = timed(clock, unit.read(LOGLET, Offset(0)..Offset(1), 1)).await;
        assert!(read == Err(UnitError::Unanswered) && took < CALL_MAX + slack, "{took:?}");
        let (held, took) = timed(clock, unit.held(LOGLET, Offset(0)..Offset(1))).await;
        assert!(held == Err(UnitError::Unanswered) && took < CALL_MAX + slack, "{took:?}");
    });
}

#[test]
fn a_peer_that_is_mute_or_dead_hangs_no_caller() {
    simulate(async {
        let (network, _fake, unit, caller) = world(true);
        let clock = caller.clock.as_ref();
        assert!(store(&unit, 1, 1).await.is_ok());
        for deaf in [Network::mute, Network::die] {
            deaf(&network);
            let (stored, took) = timed(clock, store(&unit, 2, 1)).await;
            assert!(stored == Err(UnitError::Unanswered) && took <= CALL_MAX, "{took:?}");
            let (read, took) = timed(clock, unit.read(LOGLET, Offset(0)..Offset(1), 1)).await;
            assert!(read == Err(UnitError::Unanswered) && took <= CALL_MAX, "{took:?}");
            let wait = unit.wait_tail(LOGLET, TailReaches::Local(Offset(9)));
            let (tail, took) = timed(clock, wait).await;
            assert!(tail == Err(UnitError::Unanswered) && took <= WAIT_ROUND + CALL_MAX, "{took:?}");
            let (item, took) = timed(clock, unit.follow(LOGLET, Offset(0)).next()).await;
            assert!(item == Some(Err(UnitError::Unanswered)) && took <= CONNECT_MAX + CALL_MAX, "{took:?}");
        }
    });
}

#[test]
fn waits_and_followers_may_last_long_while_the_peer_lives() {
    simulate(async {
        let (_network, fake, unit, caller) = world(false);
        let mut followed = unit.follow(LOGLET, Offset(2));
        let work = async {
            caller.clock.sleep(4 * FOLLOW_SILENCE_MAX).await;
            fake.answer();
        };
        let (tail, item, ()) =
            futures::join!(unit.wait_tail(LOGLET, TailReaches::Local(Offset(9))), followed.next(), work);
        assert_eq!((tail, item), (Ok(TAIL), Some(Ok(Followed::KnownTail(Offset(2))))));
    });
}

#[test]
fn a_full_queue_refuses_at_once() {
    simulate(async {
        let (_network, fake, unit, caller) = world(false);
        let waiting: Vec<_> = (0..LANE_CALLS_MAX as u64).map(|n| store(&unit, n, 0)).collect();
        let refused = store(&unit, 0, 0);
        assert_eq!(futures::FutureExt::now_or_never(refused), Some(Err(UnitError::Overloaded)));
        caller.clock.sleep(Duration::from_millis(100)).await;
        assert_eq!(fake.calls().len(), SERVED_CALLS_MAX, "the server reads no more than it may work on");
        fake.answer();
        assert!(futures::future::join_all(waiting).await.iter().all(Result::is_ok));
        assert!(store(&unit, 0, 0).await.is_ok(), "there is room again");
    });
}

#[test]
fn too_many_bytes_are_refused_too() {
    simulate(async {
        let (_network, fake, unit, _) = world(false);
        let large = CALL_BYTES_MAX - 1_000;
        let fit = LANE_BYTES_MAX / CALL_BYTES_MAX;
        let waiting: Vec<_> = (0..fit as u64).map(|n| store(&unit, n, large)).collect();
        assert_eq!(store(&unit, 9, large).await, Err(UnitError::Overloaded));
        fake.answer();
        assert!(futures::future::join_all(waiting).await.iter().all(Result::is_ok), "the largest stores fit a message");
        assert!(matches!(store(&unit, 9, CALL_BYTES_MAX).await, Err(UnitError::Invalid(_))));
    });
}

#[test]
fn a_stub_that_is_dropped_leaves_nobody_waiting() {
    simulate(async {
        let (_network, _fake, unit, _) = world(false);
        let stored = store(&unit, 1, 1);
        drop(unit);
        assert_eq!(stored.await, Err(UnitError::Unanswered));
    });
}

#[test]
fn both_sides_hear_of_a_newer_chain() {
    simulate(async {
        let (network, fake, caller, server) = (Network::new(), FakeUnit::new(true), home(CALLER), home(SERVER));
        network.serve(Routes::new(UnitService::server(&server, fake.clone())));
        let unit = RemoteUnit::new(&network.link(caller.clone()));
        let (here, there) = (caller.news.subscribe(), server.news.subscribe());
        server.news.set_known(ChainVersion(7));
        assert!(unit.read(LOGLET, Offset(0)..Offset(1), 1).await.is_ok());
        assert_eq!((*here.borrow(), *there.borrow()), (ChainVersion(7), ChainVersion(1)));
        assert!(store(&unit, 1, 1).await.is_ok());
        // The stream is open now, so later versions come in its frames.
        server.news.set_known(ChainVersion(12));
        caller.news.set_known(ChainVersion(13));
        assert!(store(&unit, 2, 1).await.is_ok());
        assert_eq!((*here.borrow(), *there.borrow()), (ChainVersion(7), ChainVersion(13)));
        server.news.set_known(ChainVersion(14));
        assert!(store(&unit, 3, 1).await.is_ok());
        assert_eq!(*here.borrow(), ChainVersion(14));
    });
}

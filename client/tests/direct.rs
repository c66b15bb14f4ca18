//! Direct acknowledgement: three nodes, each with its own storage unit, and a sequencer on the first. Messages between
//! two nodes take ten milliseconds, a sync takes five.

#![expect(unreachable_pub, reason = "a file that other tests use too")]

#[path = "support/server.rs"]
mod server;
#[path = "support/three_nodes.rs"]
mod three_nodes;

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use futures::StreamExt;
use futures::future::BoxFuture;
use naxos_client::loglets::NativeProvider;
use naxos_client::{Loglet, LogletProvider, SharedLog, VirtualLog};
use naxos_proto::chain::LogletParams;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{
    AppendError, Cell, Followed, OnGrant, Purpose, Refusal, Sequencer, Shape, StorageUnit, Store, TailReaches,
    UnitParams,
};
use naxos_proto::ids::{Incarnation, LogId, LogletId, Lsn, Offset};
use naxos_proto::native_params::NativeParams;
use naxos_proto::seams::sim::Latency;
use naxos_proto::tail::Tail;
use parking_lot::Mutex;
use server::simulate;
use three_nodes::{Done, HOP, Reach, SYNC, World, clock};

fn append(log: &VirtualLog) -> BoxFuture<'static, Result<Lsn, AppendError>> {
    let (done, outcome) = Completion::channel();
    log.append(vec![Cell::new("x".into())], done);
    outcome
}

/// Waits for `event` and tells how long that took, as a number of milliseconds.
async fn took<T>(event: impl Future<Output = T>) -> (T, u128) {
    let began = tokio::time::Instant::now();
    let happened = event.await;
    (happened, began.elapsed().as_millis())
}

#[test]
fn an_append_through_any_node_costs_one_round_trip_and_one_sync() {
    simulate(async {
        let world = World::new().await;
        let (first, second, third) = (world.listening(0).await, world.listening(1).await, world.log(2).await);
        assert_eq!(took(append(&first)).await, (Ok(Lsn(0)), 25), "through the node of the sequencer");
        assert_eq!(took(append(&second)).await, (Ok(Lsn(1)), 25), "through another node");
        assert_eq!(took(append(&third)).await, (Ok(Lsn(2)), 45), "through one that does not follow the tails");
        world.stop().await;
    });
}

#[test]
fn every_node_gets_an_entry_no_later_than_it_is_acknowledged_to_the_sequencers_node() {
    simulate(async {
        let world = World::new().await;
        let (first, second) = (world.listening(0).await, world.listening(1).await);
        let mut followed = Arc::clone(&second).follow(Lsn::ZERO);
        let both = async { futures::join!(append(&first), took(followed.next())) };
        let ((acknowledged, acknowledged_after), (item, after)) = {
            let ((a, f), total) = took(both).await;
            ((a, total), f)
        };
        assert_eq!(acknowledged, Ok(Lsn(0)));
        assert_eq!(item.unwrap().unwrap().1, Lsn(1));
        assert!(after <= 15 && acknowledged_after == 25, "{after} ms, {acknowledged_after} ms");
        world.stop().await;
    });
}

#[test]
fn a_durable_append_is_acknowledged_although_the_sequencer_is_dead() {
    simulate(async {
        let world = World::new().await;
        let (_founds, log) = (world.log(0).await, world.listening(1).await);
        world.answers.store(false, Ordering::Relaxed);
        assert_eq!(took(append(&log)).await, (Ok(Lsn(0)), 25));
        // The node hears the offset of this append, but no outcome from the sequencer. Then the connection to the
        // sequencer breaks.
        let mut waits = append(&log);
        clock().sleep(HOP * 2).await;
        assert_eq!((&mut waits).now_or_never(), None);
        drop(std::mem::take(&mut *world.unanswered.lock()));
        assert_eq!(waits.await, Ok(Lsn(1)), "the units have it");
        world.stop().await;
    });
}

/// If a loglet has only one unit, this unit may refuse a store. Then the offset of the store is given out again.
#[test]
fn an_offset_is_told_early_only_if_it_is_final() {
    simulate(async {
        let world = World::new().await;
        let sequencer = Arc::clone(world.reach[0].sequencer.get().unwrap());
        let own = sequencer.incarnation();
        for (ordinal, units) in [(1, 1), (2, 3)] {
            let id = LogletId { log: LogId(7), ordinal, nonce: 1 };
            let (storages, write_quorum) = (world.alive.units[..units].to_vec(), units as u16 / 2 + 1);
            let params = NativeParams { sequencer: own, units: storages, write_quorum }.encode(id);
            world.provider(0).prepare(&params).await.unwrap();
            sequencer.serve(&params, Lsn::ZERO).await.unwrap();
            let heard: Arc<Mutex<Vec<Offset>>> = Arc::default();
            let granted = {
                let heard = Arc::clone(&heard);
                Box::new(move |at| heard.lock().push(at))
            };
            let (done, outcome) = Completion::channel();
            sequencer.append(id, own, vec![Cell::new("x".into())], Some(granted), done);
            assert_eq!(heard.lock().len(), usize::from(units > 1), "{units} units");
            assert_eq!(outcome.await, Ok(Offset(0)));
        }
        world.stop().await;
    });
}

/// A unit of a node that follows no tails hears the known tail from the sequencer, when nothing is appended any more.
#[test]
fn units_of_other_nodes_are_told_the_known_tail_when_the_log_is_quiet() {
    simulate(async {
        let world = World::new().await;
        let log = world.log(0).await;
        let id = log.chain().1.active().params.id;
        let far = Arc::clone(world.servers[1].unit());
        for n in 0..20 {
            assert_eq!(append(&log).await, Ok(Lsn(n)));
        }
        let (told, took) = took(far.wait_tail(id, TailReaches::Known(Offset(20)))).await;
        assert!(told.is_ok() && took <= 15, "{told:?} after {took} ms");
        world.stop().await;
    });
}

/// A node follows a write quorum of the units. When one of these is slow, it follows the others too.
#[test]
fn a_slow_unit_is_not_waited_for() {
    simulate(async {
        let world = World::new().await;
        let (_founds, log) = (world.log(0).await, world.listening(1).await);
        world.answers.store(false, Ordering::Relaxed);
        assert_eq!(append(&log).await, Ok(Lsn(0)));
        // The sequencer's own disk hangs. The two others have the append, and the sequencer does not say so.
        world.drives[0].set_latency(Latency { sync: SYNC * 1_000, ..Latency::default() });
        let (outcome, took) = took(append(&log)).await;
        assert!(outcome == Ok(Lsn(1)) && took <= 45, "{outcome:?} after {took} ms");
        world.drives[0].set_latency(Latency::default());
        world.stop().await;
    });
}

/// A successor is served only after the chain has ended the old loglet. So the end that the chain names decides about the
/// appends in flight.
#[test]
fn rule_10_a_sequencer_that_serves_a_successor_waits_for_no_unit_of_the_old_loglet() {
    simulate(async {
        let world = World::new().await;
        let sequencer = Arc::clone(world.reach[0].sequencer.get().unwrap());
        let provider = world.provider(0);
        let params = |ordinal| {
            let id = LogletId { log: LogId(7), ordinal, nonce: 1 };
            provider.choose_params(id, &world.alive).unwrap()
        };
        let (old, new) = (params(1), params(2));
        provider.prepare(&old).await.unwrap();
        provider.prepare(&new).await.unwrap();
        sequencer.serve(&old, Lsn::ZERO).await.unwrap();
        let (done, outcome) = Completion::channel();
        let cells = vec![Cell::new("x".into())];
        sequencer.append(old.id, sequencer.incarnation(), cells, None, done);
        sequencer.serve(&new, Lsn::ZERO).await.unwrap();
        let (outcome, took) = took(outcome).await;
        assert_eq!((outcome, took), (Err(AppendError::Undecided { at: Offset(0) }), 0));
        world.stop().await;
    });
}

#[test]
fn an_append_to_a_sequencer_that_hangs_ends_as_unknown_soon_after_a_change() {
    simulate(async {
        let world = World::new().await;
        let (_founds, log) = (world.log(0).await, world.listening(1).await);
        world.hears.store(false, Ordering::Relaxed);
        let lost = append(&log);
        tokio::select! {
            change = log.reconfigure(None) => drop(change.unwrap()),
            () = clock().sleep(Duration::from_secs(5)) => panic!("the change waits for the sequencer"),
        }
        let (outcome, took) = took(lost).await;
        assert!(matches!(outcome, Err(AppendError::Unknown(_))) && took == 0, "{outcome:?} after {took} ms");
        world.hears.store(true, Ordering::Relaxed);
        assert_eq!(append(&log).await, Ok(Lsn(0)));
        world.stop().await;
    });
}

/// A sequencer that grants the first offset, and stores nothing.
struct Granting(Incarnation, Mutex<Vec<Done>>);

impl Sequencer for Granting {
    fn incarnation(&self) -> Incarnation {
        self.0
    }

    fn serve<'a>(&'a self, _: &'a LogletParams, _: Lsn) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn append(&self, _: LogletId, _: Incarnation, _: Vec<Cell>, granted: Option<OnGrant>, done: Done) {
        granted.expect("the sequencer is on another node")(Offset(0));
        self.1.lock().push(done);
    }

    fn grant(&self, _: LogletId, _: Incarnation, _: u32) -> BoxFuture<'_, Result<Offset, AppendError>> {
        unreachable!("a native loglet gets its offsets by appends")
    }

    fn tail(&self, _: LogletId) -> BoxFuture<'_, Option<Tail>> {
        Box::pin(std::future::ready(None))
    }
}

/// A loglet as the second node sees it, with a [`Granting`] sequencer.
fn granted_by_hand(world: &World, params: &LogletParams) -> (Arc<dyn Loglet>, Arc<Granting>) {
    let reach = Arc::new(Reach { units: world.reach[1].units.clone(), sequencer: OnceLock::new() });
    let granting = Arc::new(Granting(world.alive.sequencers[0], Mutex::default()));
    assert!(reach.sequencer.set(granting.clone()).is_ok());
    (NativeProvider::new(reach.clone(), reach, clock()).open(params).unwrap(), granting)
}

/// Stores a cell on one unit alone.
async fn store(world: &World, unit: usize, loglet: LogletId, at: Offset, purpose: Purpose) {
    let (done, stored) = Completion::channel();
    let cells = vec![Cell::new("x".into())];
    let incarnation = world.alive.sequencers[0];
    world.servers[unit].unit().store(Store { loglet, incarnation, at, cells, purpose }, done);
    assert!(stored.await.is_ok());
}

/// The case of cluster rule 1 in `docs/protocol.md`. A cell is on one unit. A driver seals this unit and a second one,
/// and copies the cell to the second unit. Another driver may have an answer of the second unit from before the copy,
/// and may end the segment below the cell. Here the loglet is opened late on the second unit. So the first tail that
/// the node hears from it is the one after the repair.
#[test]
fn rule_1_a_tail_that_a_repair_raised_acknowledges_nothing() {
    simulate(async {
        let world = World::new().await;
        let provider = world.provider(1);
        let id = LogletId { log: LogId(7), ordinal: 1, nonce: 1 };
        let params = provider.choose_params(id, &world.alive).unwrap();
        let on_unit = UnitParams { shape: Shape::Contiguous, incarnation: world.alive.sequencers[0] };
        for unit in [0, 1] {
            world.servers[unit].unit().open(id, on_unit).await.unwrap();
        }
        let (loglet, _granting) = granted_by_hand(&world, &params);
        let (done, mut outcome) = Completion::channel();
        loglet.append(vec![Cell::new("x".into())], done);
        let listens = loglet.listen();
        let execution = async {
            clock().sleep(HOP * 5).await;
            store(&world, 0, id, Offset(0), Purpose::Append { known_tail: Offset(0) }).await;
            clock().sleep(HOP).await;
            world.servers[2].unit().open(id, on_unit).await.unwrap();
            for unit in [0, 2] {
                world.servers[unit].unit().seal(id).await.unwrap();
            }
            store(&world, 2, id, Offset(0), Purpose::Repair).await;
            clock().sleep(HOP * 20).await;
            assert_eq!((&mut outcome).now_or_never(), None, "unit 2 holds the cell, but only since its seal");
            loglet.retire(None);
            assert_eq!(outcome.await, Err(AppendError::Undecided { at: Offset(0) }));
        };
        tokio::select! {
            () = execution => {}
            () = listens => {}
        }
        world.stop().await;
    });
}

/// The sequencer may answer an append before the unit of the caller's node has the cell. Then the tail of this unit does not
/// raise the known tail when it comes.
#[test]
fn a_unit_that_is_later_than_the_sequencers_answer_is_told_the_known_tail() {
    simulate(async {
        let world = World::new().await;
        let id = LogletId { log: LogId(7), ordinal: 1, nonce: 1 };
        let params = world.provider(1).choose_params(id, &world.alive).unwrap();
        let on_unit = UnitParams { shape: Shape::Contiguous, incarnation: world.alive.sequencers[0] };
        for server in &world.servers {
            server.unit().open(id, on_unit).await.unwrap();
        }
        let (loglet, granting) = granted_by_hand(&world, &params);
        let (done, outcome) = Completion::channel();
        loglet.append(vec![Cell::new("x".into())], done);
        let execution = async {
            for unit in [0, 2] {
                store(&world, unit, id, Offset(0), Purpose::Append { known_tail: Offset(0) }).await;
            }
            granting.1.lock().pop().unwrap().complete(Ok(Offset(0)));
            assert_eq!(outcome.await, Ok(Offset(0)));
            store(&world, 1, id, Offset(0), Purpose::Append { known_tail: Offset(0) }).await;
            let (told, took) = took(world.servers[1].unit().wait_tail(id, TailReaches::Known(Offset(1)))).await;
            assert!(told.is_ok() && took <= 20, "{told:?} after {took} ms");
        };
        tokio::select! {
            () = execution => {}
            () = loglet.listen() => {}
            () = clock().sleep(Duration::from_secs(5)) => panic!("the followers of the own unit wait for ever"),
        }
        world.stop().await;
    });
}

/// A loglet begins when it is open on a write quorum of its units. A follower on another node follows one of these units.
#[test]
fn a_follower_goes_back_to_the_unit_of_its_node() {
    for others_fail in [false, true] {
        simulate(async move {
            let world = World::new().await;
            let id = LogletId { log: LogId(7), ordinal: 1, nonce: 1 };
            let params = world.provider(1).choose_params(id, &world.alive).unwrap();
            let on_unit = UnitParams { shape: Shape::Contiguous, incarnation: world.alive.sequencers[0] };
            let append = Purpose::Append { known_tail: Offset(0) };
            for unit in [0, 2] {
                world.servers[unit].unit().open(id, on_unit).await.unwrap();
                store(&world, unit, id, Offset(0), append).await;
                world.servers[unit].unit().advance(id, Offset(1));
            }
            let (loglet, _granting) = granted_by_hand(&world, &params);
            let mut followed = loglet.follow(Offset(0));
            assert!(matches!(followed.next().await, Some(Ok(Followed::Cells { at: Offset(0), .. }))));
            let own = world.servers[1].unit();
            own.open(id, on_unit).await.unwrap();
            store(&world, 1, id, Offset(0), append).await;
            if others_fail {
                for unit in [0, 2] {
                    world.servers[unit].unit().drop_loglet(id).await.unwrap();
                }
            }
            tokio::select! {
                item = followed.next() => panic!("nothing was appended: {item:?}"),
                () = clock().sleep(HOP * 150) => {}
            }
            // Only the unit of the follower's node has this cell.
            store(&world, 1, id, Offset(1), append).await;
            own.advance(id, Offset(2));
            let item = tokio::select! {
                item = followed.next() => item,
                () = clock().sleep(Duration::from_secs(5)) => panic!("the follower stays with another unit"),
            };
            assert!(matches!(item, Some(Ok(Followed::Cells { at: Offset(1), .. }))), "{item:?}");
            world.stop().await;
        });
    }
}

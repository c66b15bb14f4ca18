//! The Corfu loglet with its units: holes and junk, two writers of one offset, a seal in the middle of a chain write, units
//! that do not answer.

#[path = "support/networks.rs"]
mod networks;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use naxos_client::{Liveness, Loglet, LogletProvider, SharedLog, VirtualLog};
use naxos_proto::chain::{LogletKind, LogletParams};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{
    AppendError, Cell, CellOutcome, CellState, OnGrant, Purpose, Refusal, Sequencer, StorageUnit, Store, Stored,
};
use naxos_proto::corfu_params::CorfuParams;
use naxos_proto::ids::{Incarnation, LogId, LogletId, Lsn, Offset, StorageId};
use naxos_proto::seams::Clock;
use naxos_proto::seams::sim::{SimClock, UnreliableUnit, Weather};
use naxos_proto::tail::Tail;
use networks::rig_behind_networks;
use parking_lot::Mutex;
use support::{Rig, simulate};

const APPEND: Purpose = Purpose::Append { known_tail: Offset(0) };

fn clock() -> Arc<dyn Clock> {
    Arc::new(SimClock::new(Duration::ZERO))
}

async fn rig_of(count: u64) -> Rig {
    Rig::over(count, |unit| unit, |sequencer| sequencer).await
}

/// A Corfu loglet that is served, with its units in the order of the chain.
struct Served {
    rig: Rig,
    id: LogletId,
    loglet: Arc<dyn Loglet>,
    chain: Vec<Arc<dyn StorageUnit>>,
}

async fn serve(rig: Rig) -> Served {
    let id = LogletId { log: LogId(7), ordinal: 1, nonce: 1 };
    let params = rig.corfu.choose_params(id, &rig.alive).unwrap();
    rig.corfu.prepare(&params).await.unwrap();
    rig.corfu.serve(&params, Lsn::ZERO).await.unwrap();
    let loglet = rig.corfu.open(&params).unwrap();
    let chain = CorfuParams::decode(&params).unwrap().units;
    let of = |storage: &StorageId| rig.units.all.iter().find(|unit| unit.storage_id() == *storage).cloned().unwrap();
    let chain = chain.iter().map(of).collect();
    Served { rig, id, loglet, chain }
}

fn cell(text: &str) -> Cell {
    Cell::new(text.to_owned().into())
}

fn present(text: &str) -> CellState {
    CellState::Present(text.to_owned().into())
}

impl Served {
    fn append(&self, text: &str) -> BoxFuture<'static, Result<Offset, AppendError>> {
        let (done, outcome) = Completion::channel();
        self.loglet.append(vec![cell(text)], done);
        outcome
    }

    fn owner(&self) -> Incarnation {
        self.rig.alive.sequencers[0]
    }

    /// Takes an offset, like a client that dies after that.
    async fn take_token(&self) -> Offset {
        let sequencer = self.rig.sequencers.sequencer(self.owner()).unwrap();
        sequencer.grant(self.id, self.owner(), 1).await.unwrap()
    }

    /// Stores a cell on one unit alone, like a client that dies before it reaches the next unit.
    async fn store_on(&self, unit: usize, at: u64, text: &str, purpose: Purpose) -> Stored {
        let (done, stored) = Completion::channel();
        let (loglet, incarnation, cells) = (self.id, self.owner(), vec![cell(text)]);
        self.chain[unit].store(Store { loglet, incarnation, at: Offset(at), cells, purpose }, done);
        stored.await.unwrap()
    }

    async fn fill_on(&self, unit: usize, at: u64) -> Stored {
        self.chain[unit].fill(self.id, self.owner(), Offset(at), APPEND).await.unwrap()
    }

    async fn on_unit(&self, unit: usize, below: u64) -> Vec<CellState> {
        self.chain[unit].read(self.id, Offset(0)..Offset(below), usize::MAX).await.unwrap()
    }
}

#[test]
fn an_offset_that_nobody_writes_becomes_junk_after_a_while() {
    for units in 1..=3 {
        simulate(async {
            let served = serve(rig_of(units).await).await;
            assert_eq!(served.take_token().await, Offset(0));
            assert_eq!(served.take_token().await, Offset(1));
            let began = tokio::time::Instant::now();
            assert_eq!(served.append("a").await, Ok(Offset(2)));
            let waited = began.elapsed();
            assert!((100..150).contains(&waited.as_millis()), "the bounded wait, once for both: {waited:?}");
            assert_eq!(served.loglet.check_tail().await, Ok(Tail::Open(Offset(3))));
            for unit in 0..served.chain.len() {
                assert_eq!(served.on_unit(unit, 3).await, [CellState::Junk, CellState::Junk, present("a")]);
            }
            // The client was only slow. Its offset holds junk now.
            assert_eq!(served.store_on(0, 0, "late", APPEND).await.cells, [CellOutcome::Different]);
            served.rig.stop().await;
        });
    }
}

#[test]
fn what_the_first_unit_holds_is_completed_and_not_filled() {
    simulate(async {
        let served = serve(rig_of(3).await).await;
        served.take_token().await;
        served.take_token().await;
        served.store_on(0, 0, "a", APPEND).await;
        served.store_on(0, 1, "b", APPEND).await;
        served.store_on(1, 1, "b", APPEND).await;
        assert_eq!(served.append("c").await, Ok(Offset(2)));
        for unit in 0..3 {
            assert_eq!(served.on_unit(unit, 3).await, [present("a"), present("b"), present("c")]);
        }
        served.rig.stop().await;
    });
}

#[test]
fn the_virtual_log_skips_junk() {
    simulate(async {
        let rig = rig_of(3).await;
        let mut parts = rig.parts();
        parts.config.kind = LogletKind::CORFU;
        let log = VirtualLog::start(parts).await.unwrap();
        let sequencer = rig.sequencers.sequencer(rig.alive.sequencers[0]).unwrap();
        sequencer.grant(log.chain().1.active().params.id, rig.alive.sequencers[0], 1).await.unwrap();
        let (done, outcome) = Completion::channel();
        log.append(vec![cell("a")], done);
        assert_eq!(outcome.await, Ok(Lsn(1)));
        let (records, next) = log.read(Lsn(0), Lsn(2), usize::MAX).await.unwrap();
        assert_eq!((records.len(), records[0].lsn, next), (1, Lsn(1), Lsn(2)));
        rig.stop().await;
    });
}

/// Gives out each offset twice.
struct TwiceSequencer {
    sequencer: Arc<dyn Sequencer>,
    grants: AtomicU64,
    last: Mutex<Offset>,
}

impl Sequencer for TwiceSequencer {
    fn incarnation(&self) -> Incarnation {
        self.sequencer.incarnation()
    }

    fn serve<'a>(&'a self, loglet: &'a LogletParams, start: Lsn) -> BoxFuture<'a, Result<(), Refusal>> {
        self.sequencer.serve(loglet, start)
    }

    fn append(
        &self,
        loglet: LogletId,
        by: Incarnation,
        batch: Vec<Cell>,
        granted: Option<OnGrant>,
        done: Completion<Result<Offset, AppendError>>,
    ) {
        self.sequencer.append(loglet, by, batch, granted, done);
    }

    fn grant(&self, loglet: LogletId, by: Incarnation, count: u32) -> BoxFuture<'_, Result<Offset, AppendError>> {
        if self.grants.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
            return Box::pin(std::future::ready(Ok(*self.last.lock())));
        }
        Box::pin(async move {
            let at = self.sequencer.grant(loglet, by, count).await?;
            *self.last.lock() = at;
            Ok(at)
        })
    }

    fn tail(&self, loglet: LogletId) -> BoxFuture<'_, Option<Tail>> {
        self.sequencer.tail(loglet)
    }
}

#[test]
fn of_two_writers_of_one_offset_one_gets_another_offset() {
    simulate(async {
        let twice = |sequencer| -> Arc<dyn Sequencer> {
            Arc::new(TwiceSequencer { sequencer, grants: AtomicU64::new(0), last: Mutex::new(Offset(0)) })
        };
        let served = serve(Rig::over(3, |unit| unit, twice).await).await;
        let stop = tokio_util::sync::CancellationToken::new();
        let other = served.rig.other_process(&stop).open(served.loglet.params()).unwrap();
        let (mut outcomes, mut expected) = (Vec::new(), Vec::new());
        for n in 0..10 {
            let (done, outcome) = Completion::channel();
            let loglet = if n % 2 == 0 { &served.loglet } else { &other };
            loglet.append(vec![cell(&format!("{n}"))], done);
            outcomes.push(outcome);
        }
        for (n, outcome) in outcomes.into_iter().enumerate() {
            expected.push((outcome.await.unwrap(), present(&format!("{n}"))));
        }
        expected.sort_by_key(|(at, _)| *at);
        let offsets: Vec<_> = expected.iter().map(|(at, _)| at.0).collect();
        assert_eq!(offsets, (0..10).collect::<Vec<_>>(), "each append has an offset of its own, without gaps");
        let cells: Vec<_> = expected.into_iter().map(|(_, cell)| cell).collect();
        for unit in 0..3 {
            assert_eq!(served.on_unit(unit, 10).await, cells);
        }
        stop.cancel();
        served.rig.stop().await;
    });
}

#[test]
fn an_append_that_is_late_for_its_offset_gets_another_one() {
    simulate(async {
        let served = serve(rig_of(2).await).await;
        assert_eq!(served.fill_on(0, 0).await, Stored { cells: vec![CellOutcome::Written], sealed: false });
        assert_eq!(served.append("a").await, Ok(Offset(1)));
        for unit in 0..2 {
            assert_eq!(served.on_unit(unit, 2).await, [CellState::Junk, present("a")]);
        }
        served.rig.stop().await;
    });
}

/// A loglet on units behind networks, in the order of the chain.
async fn served_with_network(count: u64) -> (Served, Vec<Arc<UnreliableUnit>>) {
    let (rig, networks) = rig_behind_networks(count).await;
    let served = serve(rig).await;
    let of = |unit: &Arc<dyn StorageUnit>| networks.iter().find(|n| n.storage_id() == unit.storage_id()).cloned();
    let networks = served.chain.iter().map(|unit| of(unit).unwrap()).collect();
    (served, networks)
}

fn hang(network: &UnreliableUnit) {
    let never = Duration::from_secs(3_600);
    network.set_weather(Weather { lost: 1_000, delay_min: never, delay_max: never, ..Weather::default() });
}

#[test]
fn a_seal_in_the_middle_of_a_chain_write_decides_by_what_the_sealed_units_hold() {
    // The unit that does not answer, and the end of the segment. The append has reached the units before that one.
    for (hung, end) in [(1, 2), (2, 2)] {
        simulate(async {
            let (served, networks) = served_with_network(3).await;
            assert_eq!(served.append("a").await, Ok(Offset(0)));
            hang(&networks[hung]);
            let mut in_flight = served.append("b");
            clock().sleep(Duration::from_millis(300)).await;
            assert!((&mut in_flight).now_or_never().is_none(), "an append ended although a unit of the chain hangs");
            assert_eq!(served.loglet.seal().await, Ok(Offset(end)), "the unit that hangs is not needed");
            let others: Vec<usize> = (0..3).filter(|unit| *unit != hung).collect();
            for unit in others {
                assert_eq!(served.on_unit(unit, 2).await, [present("a"), present("b")], "the seal repairs unit {unit}");
            }
            served.loglet.retire(Some(Offset(end)));
            assert_eq!(in_flight.await, Err(AppendError::Undecided { at: Offset(1) }));
            assert_eq!(served.append("c").await, Err(AppendError::Sealed));
            served.rig.stop().await;
        });
    }
}

#[test]
fn an_append_about_which_the_first_unit_does_not_answer_is_settled_by_what_the_others_hold() {
    simulate(async {
        for (ends_at, outcome) in [(0, AppendError::Sealed), (1, AppendError::Sealed), (2, AppendError::Sealed)] {
            let (served, networks) = served_with_network(3).await;
            hang(&networks[0]);
            let in_flight = served.append("a");
            clock().sleep(Duration::from_millis(10)).await;
            // Somebody else has filled the offset meanwhile.
            for unit in 1..3 {
                served.fill_on(unit, 0).await;
            }
            served.loglet.retire(Some(Offset(ends_at)));
            assert_eq!(in_flight.await, Err(outcome), "the end is {ends_at}");
            served.rig.stop().await;
        }
        let (served, networks) = served_with_network(3).await;
        hang(&networks[0]);
        let in_flight = served.append("a");
        clock().sleep(Duration::from_millis(10)).await;
        for unit in 1..3 {
            served.store_on(unit, 0, "a", APPEND).await;
        }
        served.loglet.retire(Some(Offset(1)));
        assert_eq!(in_flight.await, Err(AppendError::Undecided { at: Offset(0) }), "it is in the log");
        served.rig.stop().await;
    });
}

#[test]
fn rule_1_a_cell_that_a_repair_brought_to_a_sealed_unit_is_passed_on_no_further() {
    simulate(async {
        let served = serve(rig_of(3).await).await;
        // Offset 0 is on the first unit alone. Offset 1 is on the first two, and its client waits at the last one.
        served.take_token().await;
        served.store_on(0, 0, "a", APPEND).await;
        let in_flight = served.append("b");
        clock().sleep(Duration::from_millis(50)).await;
        assert_eq!(served.on_unit(1, 2).await, [CellState::Absent, present("b")]);
        // One driver of a change has the answer of the second unit alone: the segment may end at 0.
        assert_eq!(served.chain[1].seal(served.id).await.unwrap().tail, Offset(2));
        // Another driver copies offset 0 to that unit.
        assert_eq!(served.store_on(1, 0, "a", Purpose::Repair).await.cells, [CellOutcome::Written]);
        clock().sleep(Duration::from_secs(1)).await;
        assert_eq!(
            served.on_unit(2, 2).await,
            [CellState::Absent, CellState::Absent],
            "what the last unit holds counts as acknowledged"
        );
        assert_eq!(in_flight.await, Err(AppendError::Undecided { at: Offset(1) }));
        served.rig.stop().await;
    });
}

#[test]
fn rule_3_whichever_unit_answers_a_seal_has_what_was_acknowledged() {
    for answers in 0..3 {
        simulate(async {
            let (served, networks) = served_with_network(3).await;
            for n in 0..5 {
                assert_eq!(served.append("a").await, Ok(Offset(n)));
            }
            // On the first two units a cell at 7 lies behind a hole, and counts for nothing. The last unit takes no
            // cell behind a hole. So it gets a cell at 5, which counts.
            served.store_on(answers, if answers == 2 { 5 } else { 7 }, "x", APPEND).await;
            (0..3).filter(|unit| *unit != answers).for_each(|unit| hang(&networks[unit]));
            let end = if answers == 2 { 6 } else { 5 };
            assert_eq!(served.loglet.seal().await, Ok(Offset(end)), "unit {answers} alone answers");
            served.rig.stop().await;
        });
    }
}

#[test]
fn rule_6_a_tail_check_needs_every_unit_until_the_chain_has_ended_the_loglet() {
    simulate(async {
        let (served, networks) = served_with_network(3).await;
        served.append("a").await.unwrap();
        served.store_on(0, 1, "b", APPEND).await;
        assert_eq!(served.loglet.check_tail().await, Ok(Tail::Open(Offset(1))), "the last unit lacks offset 1");
        hang(&networks[1]);
        assert!(served.loglet.check_tail().await.is_err());
        let check = served.loglet.check_tail();
        served.loglet.retire(Some(Offset(2)));
        assert_eq!(check.await, Ok(Tail::Sealed(Offset(2))), "a new chain ends the wait");
        served.rig.stop().await;
    });
}

#[test]
fn rule_10_an_offset_that_was_trimmed_before_the_answer_came_is_unknown() {
    simulate(async {
        let (served, networks) = served_with_network(2).await;
        // The answers of the first unit are lost. Meanwhile the offset is filled and then trimmed.
        networks[0].set_weather(Weather { unanswered: 1_000, ..Weather::default() });
        served.fill_on(0, 0).now_or_never();
        let units: Vec<_> = served.rig.units.all.clone();
        let in_flight = served.append("a");
        clock().sleep(Duration::from_millis(1)).await;
        for unit in &units {
            let _ = unit.trim(served.id, Offset(1)).await;
        }
        networks[0].set_weather(Weather::default());
        assert!(matches!(in_flight.await, Err(AppendError::Unknown(_))), "it may have been junk");
        served.rig.stop().await;
    });
}

#[test]
fn a_unit_that_is_silent_is_left_out_and_a_loglet_keeps_enough_units() {
    simulate(async {
        let rig = rig_of(3).await;
        let silent = vec![rig.alive.units[1]];
        let choose = |units_min| {
            let alive = Liveness { silent: silent.clone(), units_min, ..rig.alive.clone() };
            rig.corfu.choose_params(LogletId::default(), &alive)
        };
        let params = CorfuParams::decode(&choose(2).unwrap()).unwrap();
        assert_eq!(params.units, [rig.alive.units[0], rig.alive.units[2]]);
        let refused = choose(3).unwrap_err().to_string();
        assert!(refused.contains("2 storage units answer, but a loglet needs 3"), "{refused}");
        let owner = Incarnation { storage: rig.alive.units[2], ..rig.alive.sequencers[0] };
        let alive = Liveness { sequencers: vec![owner], ..rig.alive.clone() };
        let params = CorfuParams::decode(&rig.corfu.choose_params(LogletId::default(), &alive).unwrap()).unwrap();
        assert_eq!(params.units[0], rig.alive.units[2], "the sequencer's unit is the first");
        rig.stop().await;
    });
}

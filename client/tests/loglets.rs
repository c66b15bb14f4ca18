//! Runs the suite of loglets on every kind of loglet, and tests the native loglet with its units.

#[path = "support/networks.rs"]
mod networks;
mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use naxos_client::loglets::MemoryProvider;
use naxos_client::suite::{self, LogletSubject};
use naxos_client::{Liveness, Loglet, LogletProvider, SharedLog, VirtualLog};
use naxos_proto::chain::LogletParams;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{
    Cell, CellState, Followed, Purpose, Refusal, Shape, StorageUnit, Store, TailReaches, UnitError, UnitParams,
};
use naxos_proto::ids::{Boot, Incarnation, LogId, LogletId, Lsn, Offset, StorageId};
use naxos_proto::seams::Clock;
use naxos_proto::seams::sim::{Latency, SimClock, UnreliableUnit, Weather};
use naxos_proto::tail::Tail;
use networks::rig_behind_networks;
use support::{Rig, simulate};

/// Units without a network between them and their callers.
async fn rig_of(count: u64) -> Rig {
    Rig::over(count, |unit| unit, |sequencer| sequencer).await
}

fn passes_the_suite(count: u64, provider: impl Fn(&Rig) -> Arc<dyn LogletProvider>) {
    simulate(async {
        let rig = rig_of(count).await;
        let units = rig.units.all.len();
        let subject = LogletSubject { provider: provider(&rig), alive: rig.alive.clone(), units };
        suite::loglet(&subject).await;
        // The floor that the last case raised has reached every unit.
        let below = LogletId { log: LogId(7), ordinal: 8, nonce: 0 };
        for unit in &rig.units.all {
            assert_eq!(unit.tail(below).await, Err(UnitError::Dropped(below)));
        }
        rig.stop().await;
    });
}

#[test]
fn the_memory_loglet_passes_the_suite() {
    let sequencers = vec![Incarnation { storage: StorageId(5), boot: Boot(2) }];
    let alive = Liveness { sequencers, units: vec![StorageId(1)], silent: vec![], units_min: 1 };
    simulate(suite::loglet(&LogletSubject { provider: Arc::new(MemoryProvider::default()), alive, units: 0 }));
}

#[test]
fn the_native_loglet_on_one_unit_passes_the_suite() {
    passes_the_suite(1, |rig| rig.provider.clone());
}

#[test]
fn the_native_loglet_on_three_units_passes_the_suite() {
    passes_the_suite(3, |rig| rig.provider.clone());
}

#[test]
fn the_corfu_loglet_on_one_unit_passes_the_suite() {
    passes_the_suite(1, |rig| rig.corfu.clone());
}

#[test]
fn the_corfu_loglet_on_two_units_passes_the_suite() {
    passes_the_suite(2, |rig| rig.corfu.clone());
}

#[test]
fn the_corfu_loglet_on_three_units_passes_the_suite() {
    passes_the_suite(3, |rig| rig.corfu.clone());
}

#[test]
fn opening_a_loglet_for_reading_makes_no_sequencer_serve_it() {
    simulate(async {
        let rig = rig_of(1).await;
        let id = LogletId { log: LogId(7), ordinal: 1, nonce: 1 };
        let params = rig.provider.choose_params(id, &rig.alive).unwrap();
        rig.provider.prepare(&params).await.unwrap();
        let loglet = rig.provider.open(&params).unwrap();
        assert_eq!(loglet.check_tail().await, Ok(Tail::Open(Offset(0))));
        let append = async || {
            let (done, outcome) = Completion::channel();
            loglet.append(vec![Cell::new("x".into())], done);
            outcome.await
        };
        assert_eq!(append().await, Err(Refusal::NotServed(id).into()));
        rig.provider.serve(&params, Lsn::ZERO).await.unwrap();
        assert_eq!(append().await, Ok(Offset(0)));
        rig.stop().await;
    });
}

/// A native loglet that is served, and its id.
async fn served(rig: &Rig) -> (LogletId, Arc<dyn Loglet>) {
    served_by(rig, &*rig.provider).await
}

/// A loglet of this provider that is served, and its id.
async fn served_by(rig: &Rig, provider: &dyn LogletProvider) -> (LogletId, Arc<dyn Loglet>) {
    let id = LogletId { log: LogId(7), ordinal: 1, nonce: 1 };
    let params = provider.choose_params(id, &rig.alive).unwrap();
    provider.prepare(&params).await.unwrap();
    provider.serve(&params, Lsn::ZERO).await.unwrap();
    (id, provider.open(&params).unwrap())
}

/// The parameters of a native loglet that is open on the first `count` units only.
async fn open_on(rig: &Rig, count: usize) -> LogletParams {
    let id = LogletId { log: LogId(7), ordinal: 1, nonce: 1 };
    let params = rig.provider.choose_params(id, &rig.alive).unwrap();
    let on_unit = UnitParams { shape: Shape::Contiguous, incarnation: rig.alive.sequencers[0] };
    for unit in &rig.units.all[..count] {
        unit.open(id, on_unit).await.unwrap();
    }
    params
}

/// Stores a cell on one unit alone, like a sequencer that dies before it reaches the others.
async fn store_on(rig: &Rig, unit: usize, loglet: LogletId, at: u64) {
    let (done, stored) = Completion::channel();
    let cells = vec![Cell::new(format!("cell {at}").into())];
    let purpose = Purpose::Append { known_tail: Offset(0) };
    let incarnation = rig.alive.sequencers[0];
    rig.units.all[unit].store(Store { loglet, incarnation, at: Offset(at), cells, purpose }, done);
    assert!(stored.await.is_ok_and(|s| s.acknowledges()));
}

#[test]
fn a_seal_repairs_what_is_on_one_unit_alone() {
    simulate(async {
        let rig = rig_of(3).await;
        let (id, loglet) = served(&rig).await;
        for at in 0..3 {
            store_on(&rig, 0, id, at).await;
        }
        store_on(&rig, 1, id, 0).await;
        let end = loglet.seal().await.unwrap();
        // A seal needs the answers of two units only, so the third unit may lack cells.
        let mut tails = Vec::new();
        for unit in &rig.units.all {
            tails.push(unit.tail(id).await.unwrap().tail);
        }
        assert!(tails.iter().filter(|tail| **tail >= end).count() >= 2, "{tails:?} after a seal at {end}");
        let read = loglet.read(Offset(0)..end, usize::MAX).await.unwrap();
        let present = |at: u64| CellState::Present(format!("cell {at}").into());
        assert_eq!(read, (0..end.0).map(present).collect::<Vec<_>>());
        assert_eq!(end, Offset(3), "all units answered, and one had three cells");
        rig.stop().await;
    });
}

/// Regression: the repair read a cell that was trimmed after the units had answered the seal, and the seal failed.
#[test]
fn a_repair_that_meets_a_trim_follows_it() {
    simulate(async {
        let (rig, networks) = rig_behind_networks(3).await;
        let (id, loglet) = served(&rig).await;
        for at in 0..3 {
            store_on(&rig, 0, id, at).await;
            store_on(&rig, 1, id, at).await;
        }
        let far = Duration::from_millis(10);
        networks.iter().for_each(|network| {
            network.set_weather(Weather { delay_min: far, delay_max: far, ..Weather::default() });
        });
        // The second unit does not answer the seal, so the third one has to be repaired.
        let second = rig.units.all[1].storage_id();
        let silent = networks.iter().find(|network| network.storage_id() == second).unwrap();
        silent.set_weather(Weather { lost: 1_000, ..Weather::default() });
        let trim = async {
            // The answers to the seal have come, and the repair's read is on its way.
            SimClock::new(Duration::ZERO).sleep(Duration::from_millis(25)).await;
            networks.iter().for_each(|network| network.set_weather(Weather::default()));
            for unit in &rig.units.all[..2] {
                unit.trim(id, Offset(2)).await.unwrap();
            }
        };
        let (end, ()) = futures::join!(loglet.seal(), trim);
        assert_eq!(end, Ok(Offset(3)));
        let repaired = rig.units.all[2].tail(id).await.unwrap();
        assert_eq!((repaired.tail, repaired.trim_point), (Offset(3), Offset(2)));
        rig.stop().await;
    });
}

#[test]
fn rule_6_a_tail_check_waits_until_its_tail_is_on_a_write_quorum_or_the_loglet_is_sealed() {
    simulate(async {
        let rig = rig_of(3).await;
        let (id, loglet) = served(&rig).await;
        store_on(&rig, 0, id, 0).await;
        let mut check = loglet.check_tail();
        assert_eq!((&mut check).now_or_never(), None, "the cell is on one of three units");
        store_on(&rig, 1, id, 0).await;
        assert_eq!(check.await, Ok(Tail::Open(Offset(1))));
        store_on(&rig, 2, id, 0).await;
        store_on(&rig, 2, id, 1).await;
        let mut check = loglet.check_tail();
        assert_eq!((&mut check).now_or_never(), None);
        rig.units.all[0].seal(id).await.unwrap();
        assert_eq!(check.await, Ok(Tail::Sealed(Offset(2))));
        rig.stop().await;
    });
}

#[test]
fn what_a_trim_could_not_discard_stays_on_a_list_and_is_tried_again() {
    simulate(async {
        let rig = rig_of(1).await;
        let log = VirtualLog::start(rig.parts()).await.unwrap();
        for _ in 0..3 {
            let (done, outcome) = Completion::channel();
            log.append(vec![Cell::new("x".into())], done);
            outcome.await.unwrap();
            log.reconfigure(None).await.unwrap();
        }
        let ordinals = |log: &VirtualLog| log.left_to_discard().iter().map(|id| id.ordinal).collect::<Vec<_>>();
        rig.units.are_away.store(true, Ordering::Relaxed);
        assert!(log.trim(Lsn(2)).await.is_err(), "the unit is away");
        assert_eq!(log.chain().1.start(), Lsn(2), "the chain was trimmed all the same");
        assert_eq!(ordinals(&log), [1, 2]);
        rig.units.are_away.store(false, Ordering::Relaxed);
        log.trim(Lsn(2)).await.unwrap();
        assert_eq!(ordinals(&log), [0_u64; 0]);
        let gone = LogletId { log: LogId(7), ordinal: 2, nonce: 0 };
        assert_eq!(rig.units.all[0].tail(gone).await, Err(UnitError::Dropped(gone)));
        rig.stop().await;
    });
}

#[test]
fn trimming_the_chain_folds_tombstones_below_it_and_spares_what_it_names() {
    simulate(async {
        let rig = rig_of(1).await;
        let unit = &rig.units.all[0];
        let params = UnitParams { shape: Shape::Contiguous, incarnation: rig.alive.sequencers[0] };
        let id = |ordinal, nonce| LogletId { log: LogId(7), ordinal, nonce };
        // Loglets that lost a race: one with an ordinal that will be trimmed, one with the lowest ordinal that stays,
        // and one with a higher ordinal.
        let orphans = [id(2, 1), id(4, 1), id(5, 1)];
        for orphan in orphans {
            unit.open(orphan, params).await.unwrap();
        }
        let log = VirtualLog::start(rig.parts()).await.unwrap();
        let append = async || {
            let (done, outcome) = Completion::channel();
            log.append(vec![Cell::new("x".into())], done);
            outcome.await.unwrap()
        };
        for lsn in 0..5 {
            assert_eq!(append().await, Lsn(lsn));
            log.reconfigure(None).await.unwrap();
        }
        // Ordinals 1 to 5 hold one entry each, and 6 is open. A trim up to 3 leaves 4 as the lowest ordinal.
        log.trim(Lsn(3)).await.unwrap();
        let named: Vec<LogletId> = log.chain().1.segments.iter().map(|s| s.params.id).collect();
        assert_eq!(named.iter().map(|i| i.ordinal).collect::<Vec<_>>(), [4, 5, 6]);
        for below in [orphans[0], id(1, 9), id(3, 0)] {
            assert_eq!(unit.tail(below).await, Err(UnitError::Dropped(below)));
        }
        for above in named.iter().chain(&orphans[1..]) {
            assert!(unit.tail(*above).await.is_ok(), "{above} is not below the floor");
        }
        assert_eq!(append().await, Lsn(5));
        // The same trim again removes no segment from the chain, so it raises no floor.
        log.trim(Lsn(3)).await.unwrap();
        assert!(unit.tail(orphans[1]).await.is_ok());
        rig.stop().await;
    });
}

/// Three units of which the last one never answers.
async fn rig_with_a_hung_unit() -> Rig {
    let clock: Arc<dyn Clock> = Arc::new(SimClock::new(Duration::ZERO));
    let count = std::cell::Cell::new(0);
    let network = |unit| {
        count.set(count.get() + 1);
        let network = UnreliableUnit::new(unit, Arc::clone(&clock), 1);
        if count.get() == 3 {
            network.set_weather(Weather { delay_max: Duration::from_secs(1_000_000), ..Weather::default() });
        }
        Arc::new(network) as Arc<dyn StorageUnit>
    };
    Rig::over(3, network, |sequencer| sequencer).await
}

#[test]
fn every_call_to_several_units_ends_without_the_slowest() {
    simulate(async {
        let rig = rig_with_a_hung_unit().await;
        let began = tokio::time::Instant::now();
        let log = VirtualLog::start(rig.parts()).await.unwrap();
        let append = async || {
            let (done, outcome) = Completion::channel();
            log.append(vec![Cell::new("x".into())], done);
            outcome.await
        };
        for n in 0..5 {
            assert_eq!(append().await, Ok(Lsn(2 * n)));
            assert_eq!(append().await, Ok(Lsn(2 * n + 1)));
            assert_eq!(log.check_tail().await, Ok(Lsn(2 * n + 2)));
            assert_eq!(log.read(Lsn(2 * n), Lsn(2 * n + 1), usize::MAX).await.unwrap().0.len(), 1);
            log.reconfigure(None).await.unwrap();
        }
        // The hung unit might still complete the quorum of an append that one of the others refused because of the seal.
        let first = &rig.units.all[0];
        first.seal(log.chain().1.active().params.id).await.unwrap();
        let (done, outcome) = Completion::channel();
        log.append(vec![Cell::new("x".into())], done);
        log.reconfigure(None).await.unwrap();
        assert!(matches!(outcome.await, Ok(Lsn(10 | 11))));
        // The hung unit keeps what it has of the discarded loglets.
        assert!(log.trim(Lsn(4)).await.is_err());
        assert_eq!(log.left_to_discard().len(), 2);
        assert_eq!(log.chain().1.start(), Lsn(4));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        rig.stop().await;
    });
}

#[test]
fn a_follower_beside_a_unit_that_hangs_reads_the_others() {
    simulate(async {
        let rig = rig_of(3).await;
        let log = VirtualLog::start(rig.parts()).await.unwrap();
        let params = log.chain().1.active().params.clone();
        // The unit that is followed first.
        let nearest = rig.units.all.iter().position(|unit| unit.storage_id() == rig.alive.units[0]).unwrap();
        rig.drives[nearest].set_latency(Latency { sync: Duration::from_secs(1_000), ..Latency::default() });
        for n in 0..3 {
            let (done, outcome) = Completion::channel();
            log.append(vec![Cell::new("x".into())], done);
            assert_eq!(outcome.await, Ok(Lsn(n)));
        }
        let began = tokio::time::Instant::now();
        let mut followed = rig.provider.open(&params).unwrap().follow(Offset(0));
        rig.units.all[nearest].advance(params.id, Offset(3));
        let cells = loop {
            match followed.next().await.unwrap().unwrap() {
                Followed::KnownTail(_) => {}
                item => break item,
            }
        };
        assert!(matches!(&cells, Followed::Cells { at: Offset(0), cells } if cells.len() == 3), "{cells:?}");
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        rig.stop().await;
    });
}

#[test]
fn a_unit_that_missed_the_opening_of_a_loglet_gets_it_from_the_sequencer() {
    simulate(async {
        let rig = rig_of(3).await;
        let params = open_on(&rig, 2).await;
        rig.provider.serve(&params, Lsn::ZERO).await.unwrap();
        let loglet = rig.provider.open(&params).unwrap();
        let (done, outcome) = Completion::channel();
        loglet.append(vec![Cell::new("x".into())], done);
        assert_eq!(outcome.await, Ok(Offset(0)));
        let third = &rig.units.all[2];
        while third.tail(params.id).await.is_err() {
            SimClock::new(Duration::ZERO).sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(third.wait_tail(params.id, TailReaches::Local(Offset(1))).await.unwrap().tail, Offset(1));
        rig.stop().await;
    });
}

#[test]
fn a_unit_that_the_loglet_was_never_opened_on_counts_for_a_seal() {
    simulate(async {
        let rig = rig_of(3).await;
        let params = open_on(&rig, 1).await;
        store_on(&rig, 0, params.id, 0).await;
        assert_eq!(rig.provider.open(&params).unwrap().seal().await, Ok(Offset(1)));
        rig.stop().await;
    });
}

#[test]
fn a_unit_that_the_loglet_was_never_opened_on_counts_for_a_tail_check() {
    simulate(async {
        let rig = rig_of(3).await;
        let params = open_on(&rig, 1).await;
        let loglet = rig.provider.open(&params).unwrap();
        assert_eq!(loglet.check_tail().await, Ok(Tail::Open(Offset(0))));
        open_on(&rig, 2).await;
        for unit in 0..2 {
            store_on(&rig, unit, params.id, 0).await;
        }
        assert_eq!(loglet.check_tail().await, Ok(Tail::Open(Offset(1))));
        rig.stop().await;
    });
}

#[test]
fn a_unit_that_was_away_gets_what_it_missed_in_open_and_in_sealed_segments() {
    simulate(async {
        let rig = rig_of(3).await;
        let log = VirtualLog::start(rig.parts()).await.unwrap();
        let incarnation = rig.alive.sequencers[0];
        // The third unit misses offsets 0 and 1, learns that they are committed, and takes the next two.
        let miss = async |id: LogletId| {
            for unit in 0..3 {
                for at in if unit == 2 { 2..4 } else { 0..4 } {
                    let (done, stored) = Completion::channel();
                    let cells = vec![Cell::new(format!("cell {at}").into())];
                    let purpose = Purpose::Append { known_tail: Offset(at.min(2)) };
                    rig.units.all[unit].store(Store { loglet: id, incarnation, at: Offset(at), cells, purpose }, done);
                    assert!(stored.await.unwrap().acknowledges());
                }
            }
        };
        let id = |log: &VirtualLog| log.chain().1.active().params.id;
        let sealed = id(&log);
        miss(sealed).await;
        log.reconfigure(None).await.unwrap();
        let open = id(&log);
        miss(open).await;
        let third = &rig.units.all[2];
        for id in [sealed, open] {
            assert_eq!(third.held(id, Offset(0)..Offset(9)).await.unwrap(), [Offset(2)..Offset(4)]);
        }
        assert_eq!(log.replicate().await, Ok(4));
        for id in [sealed, open] {
            assert_eq!(third.held(id, Offset(0)..Offset(9)).await.unwrap(), [Offset(0)..Offset(4)]);
        }
        assert_eq!(log.replicate().await, Ok(0), "nothing is missing any more");
        rig.stop().await;
    });
}

#[test]
fn a_unit_that_was_away_does_not_look_for_cells_that_were_trimmed_meanwhile() {
    simulate(async {
        let rig = rig_of(3).await;
        let log = VirtualLog::start(rig.parts()).await.unwrap();
        let id = log.chain().1.active().params.id;
        let incarnation = rig.alive.sequencers[0];
        // The third unit has only the first cell. The others have trimmed more than that.
        for (unit, cells) in [(0, 6), (1, 6), (2, 1)] {
            for at in 0..cells {
                let (done, stored) = Completion::channel();
                let cells = vec![Cell::new(format!("cell {at}").into())];
                let purpose = Purpose::Append { known_tail: Offset(at) };
                rig.units.all[unit].store(Store { loglet: id, incarnation, at: Offset(at), cells, purpose }, done);
                assert!(stored.await.unwrap().acknowledges());
            }
        }
        for unit in &rig.units.all[..2] {
            unit.trim(id, Offset(3)).await.unwrap();
        }
        assert_eq!(log.replicate().await, Ok(3));
        let third = &rig.units.all[2];
        assert_eq!(third.held(id, Offset(0)..Offset(9)).await.unwrap(), [Offset(3)..Offset(6)]);
        assert_eq!(third.tail(id).await.unwrap().tail, Offset(6));
        rig.stop().await;
    });
}

#[test]
fn cluster_16_a_loglet_has_as_many_units_as_a_majority_of_the_voters() {
    simulate(async {
        let rig = rig_of(2).await;
        let choose =
            |units_min| rig.provider.choose_params(LogletId::default(), &Liveness { units_min, ..rig.alive.clone() });
        assert!(choose(2).is_ok());
        let refused = choose(3).unwrap_err().to_string();
        assert!(refused.contains("2 storage units are alive, but a loglet needs 3"), "{refused}");
        rig.stop().await;
    });
}

#[test]
fn two_processes_append_to_the_same_corfu_loglet() {
    simulate(async {
        let rig = rig_of(3).await;
        let (_, first) = served_by(&rig, &*rig.corfu).await;
        let stop = tokio_util::sync::CancellationToken::new();
        let second = rig.other_process(&stop).open(first.params()).unwrap();
        for (n, loglet) in [&first, &second, &second, &first].into_iter().enumerate() {
            let (done, outcome) = Completion::channel();
            loglet.append(vec![Cell::new("x".into())], done);
            assert_eq!(outcome.await, Ok(Offset(n as u64)));
            assert_eq!(first.check_tail().await, Ok(Tail::Open(Offset(n as u64 + 1))));
        }
        assert_eq!(second.seal().await, Ok(Offset(4)));
        stop.cancel();
        rig.stop().await;
    });
}

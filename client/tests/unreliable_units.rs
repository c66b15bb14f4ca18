//! The virtual log on loglets whose units are behind a network that loses, repeats and delays calls, while the log is
//! reconfigured. Every append is acknowledged unless a process dies, nothing acknowledged is lost, no value is in the
//! log twice, and no tail check is stale. Half of the seeds have a sequencer whose answers are lost, late, or end as
//! unknown, so that appends to native loglets are acknowledged by the tails that the units tell, or settled by the
//! chain.

#[path = "support/mumbling_sequencer.rs"]
mod mumbling_sequencer;
mod support;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mumbling_sequencer::MumblingSequencer;
use naxos_client::{SharedLog, VirtualLog, VirtualLogParts};
use naxos_proto::chain::LogletKind;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{Cell as LogCell, CellState, StorageUnit};
use naxos_proto::ids::{Lsn, Offset};
use naxos_proto::seams::Clock;
use naxos_proto::seams::sim::{SeededEntropy, SimClock, UnreliableUnit, Weather};
use naxos_proto::splitmix::SplitMix64;
use support::{Rig, simulate};
use tokio_util::sync::CancellationToken;

/// Appends that each client makes.
const APPENDS: u64 = 40;
/// Clients that append.
const CLIENTS: u64 = 3;
const SEEDS: u64 = 60;

/// Which loglets the log consists of.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Native,
    Corfu,
    /// Corfu loglets. Two processes append, and one of them dies during the test.
    CorfuOfTwo,
    /// Native and Corfu loglets in turn.
    InTurn,
}

impl Kind {
    /// The kind of segment number `n`.
    fn of(self, n: u64) -> LogletKind {
        match self {
            Kind::Native => LogletKind::NATIVE,
            Kind::Corfu | Kind::CorfuOfTwo => LogletKind::CORFU,
            Kind::InTurn if n.is_multiple_of(2) => LogletKind::NATIVE,
            Kind::InTurn => LogletKind::CORFU,
        }
    }
}

/// What the clients were told.
#[derive(Default)]
struct Told {
    /// The acknowledged values and their positions.
    done: BTreeMap<u64, Lsn>,
    /// Number of appends without an acknowledgement: they returned an error, or their process died before the outcome.
    unknown: u64,
}

impl Told {
    /// The position after the last acknowledged append.
    fn end(&self) -> Lsn {
        self.done.values().map(|lsn| lsn.next()).max().unwrap_or(Lsn::ZERO)
    }
}

async fn append(log: &VirtualLog, told: &RefCell<Told>, value: u64) {
    let (done, outcome) = Completion::channel();
    log.append(vec![LogCell::new(value.to_le_bytes().to_vec().into())], done);
    match outcome.await {
        Ok(lsn) => drop(told.borrow_mut().done.insert(value, lsn)),
        Err(_) => told.borrow_mut().unknown += 1,
    }
}

async fn everything(log: &VirtualLog) -> Vec<(Lsn, u64)> {
    let tail = log.check_tail().await.expect("the network is calm");
    let (mut at, mut found) = (Lsn::ZERO, Vec::new());
    while at < tail {
        let (records, next) = log.read(at, tail, usize::MAX).await.expect("the network is calm");
        found.extend(records.iter().map(|r| (r.lsn, u64::from_le_bytes(r.payload[..].try_into().unwrap()))));
        at = next;
    }
    found
}

/// Checks that no two units hold different cells at one offset. Returns at how many offsets there is junk.
async fn check_copies(seed: u64, log: &VirtualLog, units: &[Arc<dyn StorageUnit>]) -> u64 {
    let mut junk = 0;
    for segment in &log.chain().1.segments {
        let id = segment.params.id;
        let mut cells = BTreeMap::new();
        for unit in units {
            // A unit that the loglet was not opened on holds none of its cells.
            let Ok(tail) = unit.tail(id).await else { continue };
            let mut at = Offset(0);
            while at < tail.tail {
                let read = unit.read(id, at..tail.tail, usize::MAX).await.expect("the network is calm");
                for cell in read {
                    if matches!(cell, CellState::Present(_) | CellState::Junk) {
                        let first = cells.entry(at).or_insert_with(|| cell.clone());
                        assert_eq!(*first, cell, "seed {seed}: two values at offset {at} of loglet {id}");
                    }
                    at = at.next();
                }
            }
        }
        junk += cells.values().filter(|cell| **cell == CellState::Junk).count() as u64;
    }
    junk
}

/// Returns how often the log was reconfigured under load, and how many offsets hold junk.
async fn run(seed: u64, units: u64, kind: Kind) -> (u64, u64) {
    let two_processes = matches!(kind, Kind::CorfuOfTwo);
    let clock: Arc<dyn Clock> = Arc::new(SimClock::new(Duration::ZERO));
    let networks: RefCell<Vec<Arc<UnreliableUnit>>> = RefCell::default();
    let network = |unit| {
        let number = networks.borrow().len() as u64;
        let network = Arc::new(UnreliableUnit::new(unit, Arc::clone(&clock), seed * 100 + number));
        networks.borrow_mut().push(Arc::clone(&network));
        network as Arc<dyn StorageUnit>
    };
    let rig = Rig::over(units, network, |sequencer| match seed % 2 {
        0 => sequencer,
        _ => Arc::new(MumblingSequencer::new(sequencer, Arc::clone(&clock), seed)),
    })
    .await;
    let entropy = Arc::new(SeededEntropy::new(seed));
    let mut parts = VirtualLogParts { clock: Arc::clone(&clock), entropy, ..rig.parts() };
    parts.config.kind = kind.of(0);
    let log = VirtualLog::start(parts.clone()).await.unwrap();
    let dies = CancellationToken::new();
    let other = if two_processes {
        parts.providers = vec![rig.other_process(&dies)];
        VirtualLog::open(parts).await.unwrap()
    } else {
        Arc::clone(&log)
    };
    let tending = tokio::task::spawn_local({
        let (other, dies) = (Arc::clone(&other), dies.clone());
        async move {
            if two_processes {
                other.tend(dies).await;
            }
        }
    });
    let set_weather = |weather| networks.borrow().iter().for_each(|network| network.set_weather(weather));
    let delay_max = Duration::from_millis(3);
    set_weather(Weather { lost: 50, unanswered: 50, repeated: 100, delay_max, ..Weather::default() });
    let listening = tokio::task::spawn_local({
        let log = Arc::clone(&log);
        async move { log.listen().await }
    });

    let told: Rc<RefCell<Told>> = Rc::default();
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let through = if client % 2 == 0 { &log } else { &other };
        let (log, told, clock) = (Arc::clone(through), Rc::clone(&told), Arc::clone(&clock));
        let dies = if client % 2 == 0 { CancellationToken::new() } else { dies.clone() };
        clients.push(tokio::task::spawn_local(async move {
            let mut dice = SplitMix64::new(seed * 10 + client);
            for n in 0..APPENDS {
                clock.sleep(Duration::from_micros(dice.below(2_000))).await;
                let appends = append(&log, &told, client * APPENDS + n + 1);
                if dies.run_until_cancelled(appends).await.is_none() {
                    told.borrow_mut().unknown += 1;
                }
            }
        }));
    }
    let changes: Rc<Cell<u64>> = Rc::default();
    let changing = tokio::task::spawn_local({
        let (log, clock, changes) = (Arc::clone(&log), Arc::clone(&clock), Rc::clone(&changes));
        let sequencer = rig.sequencers.sequencer(rig.alive.sequencers[0]).expect("it is alive");
        async move {
            loop {
                if two_processes {
                    // A third process gets an offset and dies. The processes with appends above it have to fill it.
                    let grant = sequencer.grant(log.chain().1.active().params.id, sequencer.incarnation(), 1).await;
                    assert!(grant.is_ok(), "seed {seed}: {grant:?}");
                    clock.sleep(Duration::from_millis(300)).await;
                }
                clock.sleep(Duration::from_millis(15)).await;
                // A change may fail in this weather; the next one goes on from what it left.
                if log.reconfigure(Some(kind.of(changes.get() + 1))).await.is_ok() {
                    changes.set(changes.get() + 1);
                }
            }
        }
    });
    let checking = tokio::task::spawn_local({
        let (log, told, clock) = (Arc::clone(&log), Rc::clone(&told), Arc::clone(&clock));
        async move {
            loop {
                let floor = told.borrow().end();
                if let Ok(tail) = log.check_tail().await {
                    assert!(tail >= floor, "seed {seed}: tail {tail} after an append below {floor} was acknowledged");
                }
                clock.sleep(Duration::from_millis(1)).await;
            }
        }
    });
    if two_processes {
        clock.sleep(Duration::from_millis(30 + seed)).await;
        dies.cancel();
    }
    for client in clients {
        client.await.unwrap();
    }
    tending.abort();
    changing.abort();
    assert!(!checking.is_finished(), "seed {seed}: a tail was stale");
    checking.abort();
    listening.abort();
    set_weather(Weather::default());
    // Some copies of calls are still on their way. One second is long enough for all of them to arrive.
    clock.sleep(Duration::from_secs(1)).await;
    log.reconfigure(None).await.unwrap();

    let junk = check_copies(seed, &log, &rig.units.all).await;
    let log_has = everything(&log).await;
    rig.stop().await;
    let told = told.borrow();
    for (value, lsn) in &told.done {
        assert!(log_has.contains(&(*lsn, *value)), "seed {seed}: acknowledged {value} at {lsn} is lost: {log_has:?}");
    }
    let mut values: Vec<u64> = log_has.iter().map(|(_, value)| *value).collect();
    values.sort_unstable();
    values.windows(2).for_each(|pair| assert_ne!(pair[0], pair[1], "seed {seed}: a value is in the log twice"));
    if !two_processes {
        assert_eq!(told.unknown, 0, "seed {seed}: no process dies, so every append is acknowledged");
    }
    assert_eq!(told.done.len() as u64 + told.unknown, CLIENTS * APPENDS, "seed {seed}");
    (changes.get(), junk)
}

fn all_seeds(units: u64, kind: Kind) {
    let (mut changes, mut junk) = (0, 0);
    for seed in 0..SEEDS {
        simulate(async {
            let of_seed = run(seed, units, kind).await;
            (changes, junk) = (changes + of_seed.0, junk + of_seed.1);
        });
    }
    println!("{units} units, {kind:?}: {changes} reconfigurations under load, {junk} offsets with junk");
    let (expects_junk, changes_min) = if matches!(kind, Kind::CorfuOfTwo) { (true, SEEDS) } else { (false, SEEDS * 2) };
    assert!(changes > changes_min, "only {changes} reconfigurations");
    assert!(junk > 0 || !expects_junk, "no offset was left to be filled");
}

#[test]
fn three_units_behind_a_bad_network_lose_nothing() {
    all_seeds(3, Kind::Native);
}

#[test]
fn four_units_behind_a_bad_network_lose_nothing() {
    all_seeds(4, Kind::Native);
}

#[test]
fn two_units_behind_a_bad_network_lose_nothing() {
    all_seeds(2, Kind::Native);
}

#[test]
fn a_corfu_loglet_on_one_unit_behind_a_bad_network_loses_nothing() {
    all_seeds(1, Kind::Corfu);
}

#[test]
fn a_corfu_loglet_on_two_units_behind_a_bad_network_loses_nothing() {
    all_seeds(2, Kind::Corfu);
}

#[test]
fn a_corfu_loglet_on_three_units_behind_a_bad_network_loses_nothing() {
    all_seeds(3, Kind::Corfu);
}

#[test]
fn a_corfu_loglet_of_two_processes_loses_nothing_when_one_dies() {
    all_seeds(3, Kind::CorfuOfTwo);
}

#[test]
fn a_chain_of_both_kinds_behind_a_bad_network_loses_nothing() {
    all_seeds(3, Kind::InTurn);
}

//! The virtual log on native loglets whose units are behind a network that loses, repeats and delays calls, while the log
//! is reconfigured: every append is acknowledged, nothing acknowledged is lost, no value is in the log twice, and no tail
//! check is stale. Half of the seeds have a sequencer whose answers are lost, late, or end as unknown, so that appends are
//! acknowledged by the tails that the units tell, or settled by the chain.

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
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{Cell as LogCell, CellState, StorageUnit};
use naxos_proto::ids::{Lsn, Offset};
use naxos_proto::seams::Clock;
use naxos_proto::seams::sim::{SeededEntropy, SimClock, UnreliableUnit, Weather};
use naxos_proto::splitmix::SplitMix64;
use support::{Rig, simulate};

/// Appends that each client makes.
const APPENDS: u64 = 40;
/// Clients that append.
const CLIENTS: u64 = 3;
const SEEDS: u64 = 60;

/// What the clients were told.
#[derive(Default)]
struct Told {
    /// The acknowledged values and their positions.
    done: BTreeMap<u64, Lsn>,
    /// Number of appends that returned an error: they were refused, or their outcome is unknown.
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
    log.append(vec![LogCell { payload: value.to_le_bytes().to_vec().into(), commands: 1 }], done);
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

/// Checks that no two units hold different cells at one offset.
async fn check_copies(seed: u64, log: &VirtualLog, units: &[Arc<dyn StorageUnit>]) {
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
                    if let CellState::Present(bytes) = cell {
                        let first = cells.entry(at).or_insert_with(|| bytes.clone());
                        assert_eq!(*first, bytes, "seed {seed}: two values at offset {at} of loglet {id}");
                    }
                    at = at.next();
                }
            }
        }
    }
}

/// Returns how often the log was reconfigured under load.
async fn run(seed: u64, units: u64) -> u64 {
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
    let parts = VirtualLogParts { clock: Arc::clone(&clock), entropy, ..rig.parts() };
    let log = VirtualLog::start(parts).await.unwrap();
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
        let (log, told, clock) = (Arc::clone(&log), Rc::clone(&told), Arc::clone(&clock));
        clients.push(tokio::task::spawn_local(async move {
            let mut dice = SplitMix64::new(seed * 10 + client);
            for n in 0..APPENDS {
                clock.sleep(Duration::from_micros(dice.below(2_000))).await;
                append(&log, &told, client * APPENDS + n + 1).await;
            }
        }));
    }
    let changes: Rc<Cell<u64>> = Rc::default();
    let changing = tokio::task::spawn_local({
        let (log, clock, changes) = (Arc::clone(&log), Arc::clone(&clock), Rc::clone(&changes));
        async move {
            loop {
                clock.sleep(Duration::from_millis(15)).await;
                // A change may fail in this weather; the next one goes on from what it left.
                if log.reconfigure(None).await.is_ok() {
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
    for client in clients {
        client.await.unwrap();
    }
    changing.abort();
    assert!(!checking.is_finished(), "seed {seed}: a tail was stale");
    checking.abort();
    listening.abort();
    set_weather(Weather::default());
    // Some copies of calls are still on their way. One second is long enough for all of them to arrive.
    clock.sleep(Duration::from_secs(1)).await;
    log.reconfigure(None).await.unwrap();

    check_copies(seed, &log, &rig.units.all).await;
    let log_has = everything(&log).await;
    rig.stop().await;
    let told = told.borrow();
    for (value, lsn) in &told.done {
        assert!(log_has.contains(&(*lsn, *value)), "seed {seed}: acknowledged {value} at {lsn} is lost: {log_has:?}");
    }
    let mut values: Vec<u64> = log_has.iter().map(|(_, value)| *value).collect();
    values.sort_unstable();
    values.windows(2).for_each(|pair| assert_ne!(pair[0], pair[1], "seed {seed}: a value is in the log twice"));
    assert_eq!(told.unknown, 0, "seed {seed}: the sequencer answers, so no append has an unknown outcome");
    assert_eq!(told.done.len() as u64, CLIENTS * APPENDS, "seed {seed}");
    changes.get()
}

fn all_seeds(units: u64) {
    let mut changes = 0;
    (0..SEEDS).for_each(|seed| simulate(async { changes += run(seed, units).await }));
    println!("{units} units: {changes} reconfigurations under load");
    assert!(changes > SEEDS * 2, "only {changes} reconfigurations");
}

#[test]
fn three_units_behind_a_bad_network_lose_nothing() {
    all_seeds(3);
}

#[test]
fn four_units_behind_a_bad_network_lose_nothing() {
    all_seeds(4);
}

#[test]
fn two_units_behind_a_bad_network_lose_nothing() {
    all_seeds(2);
}

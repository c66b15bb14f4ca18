//! Crash images: the power is cut at the k-th sync, a random part of the unsynced bytes survives, and the directory is
//! opened again. Then every acknowledged change is there, no change is half there, and what a reader saw once stays.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_log_server::{LogServer, OpenError, Unit};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{CellOutcome, CellState, LocalTail, StorageUnit, Stored, UnitError};
use naxos_proto::ids::{Boot, LogletId, Offset};
use naxos_proto::seams::Entropy;
use naxos_proto::seams::sim::{Drive, Fault, Latency, SeededEntropy};
use parking_lot::Mutex;
use support::{id, open, params, payload, request, simulate, simulate_for, simulate_until_frozen, store};

/// The test's record of one loglet: the requests that it made, and which of them were acknowledged.
#[derive(Clone, Debug, Default)]
struct Known {
    open_acked: bool,
    sent: BTreeMap<u64, Bytes>,
    acked: BTreeSet<u64>,
    next: u64,
    seal_asked: bool,
    seal_acked: bool,
    trim_asked: u64,
    trim_acked: u64,
    drop_asked: bool,
    drop_acked: bool,
}

#[derive(Clone, Debug, Default)]
struct Model {
    loglets: BTreeMap<LogletId, Known>,
    boot: Boot,
    ordinals: u64,
    payloads: u64,
}

type Shared = Arc<Mutex<Model>>;

/// Does one random operation on loglet `id`. It waits for the outcome of seals, drops and trims, but not for that of
/// stores, which are by far the most frequent.
async fn step(unit: &Arc<Unit>, model: &Shared, id: LogletId, random: &SeededEntropy) {
    let note = |change: fn(&mut Known)| {
        let model = model.clone();
        move |ok: bool| {
            if ok {
                change(model.lock().loglets.get_mut(&id).unwrap());
            }
        }
    };
    let die = random.u64() % 40;
    let known = model.lock().loglets[&id].clone();
    match die {
        0 => {
            model.lock().loglets.get_mut(&id).unwrap().seal_asked = true;
            let sealed = unit.seal(id).await;
            note(|k| k.seal_acked = true)(sealed.is_ok());
        }
        1 => {
            model.lock().loglets.get_mut(&id).unwrap().drop_asked = true;
            let dropped = unit.drop_loglet(id).await;
            note(|k| k.drop_acked = true)(dropped.is_ok());
        }
        2..=4 => {
            let up_to = known.trim_acked + random.u64() % (known.next - known.trim_acked + 1);
            let ask = |k: &mut Known| k.trim_asked = k.trim_asked.max(up_to);
            ask(model.lock().loglets.get_mut(&id).unwrap());
            if unit.trim(id, Offset(up_to)).await.is_ok() {
                model.lock().loglets.get_mut(&id).unwrap().trim_acked = up_to.max(known.trim_acked);
            }
        }
        _ => send(unit, model, id, random).await,
    }
}

async fn send(unit: &Arc<Unit>, model: &Shared, id: LogletId, random: &SeededEntropy) {
    let (at, cells) = {
        let mut model = model.lock();
        let mut cells = Vec::new();
        for _ in 0..=random.u64() % 4 {
            model.payloads += 1;
            cells.push(payload(model.payloads, (random.u64() % 3_000) as usize));
        }
        let known = model.loglets.get_mut(&id).unwrap();
        let at = known.next;
        known.next += cells.len() as u64;
        known.sent.extend(cells.iter().cloned().enumerate().map(|(i, c)| (at + i as u64, c)));
        (at, cells)
    };
    let acked = model.clone();
    let note = move |outcome: Result<Stored, UnitError>| {
        let mut model = acked.lock();
        let known = model.loglets.get_mut(&id).unwrap();
        for (i, outcome) in outcome.into_iter().flat_map(|stored| stored.cells).enumerate() {
            if outcome == CellOutcome::Written {
                known.acked.insert(at + i as u64);
            }
        }
    };
    unit.store(request(id, at, &cells, at), Completion::new(note));
    if random.u64().is_multiple_of(3) {
        tokio::task::yield_now().await;
    }
}

async fn work(server: &LogServer, model: &Shared, random: &SeededEntropy, steps: usize) {
    let unit = server.unit();
    for _ in 0..steps {
        let live: Vec<_> = {
            let model = model.lock();
            let usable = |k: &&Known| k.open_acked && !k.seal_asked && !k.drop_asked;
            model.loglets.iter().filter(|(_, k)| usable(k)).map(|(id, _)| *id).collect()
        };
        if live.len() < 2 {
            let id = {
                let mut model = model.lock();
                model.ordinals += 1;
                let id = id(model.ordinals);
                model.loglets.insert(id, Known::default());
                id
            };
            let opened = unit.open(id, params()).await.is_ok();
            model.lock().loglets.get_mut(&id).unwrap().open_acked = opened;
            continue;
        }
        step(unit, model, live[(random.u64() % live.len() as u64) as usize], random).await;
    }
}

/// Checks one loglet. `known` then holds the state that was found, because all of it has to be durable from now on.
async fn check(unit: &Unit, id: LogletId, known: &mut Known, context: &str) {
    let local = match unit.tail(id).await {
        Ok(local) => local,
        Err(UnitError::Dropped(_)) => {
            assert!(known.drop_asked, "{context}: {id} is dropped, nobody asked for it");
            known.drop_acked = true;
            return;
        }
        Err(UnitError::NotOpen(_)) => {
            assert!(!known.open_acked, "{context}: {id} was opened and is gone");
            known.drop_asked = true;
            return;
        }
        Err(e) => panic!("{context}: {e}"),
    };
    assert!(!known.drop_acked, "{context}: {id} was dropped and is back");
    let LocalTail { tail, sealed, trim_point, .. } = local;
    assert!(sealed || !known.seal_acked, "{context}: the seal of {id} is gone");
    assert!(!sealed || known.seal_asked, "{context}: {id} is sealed, nobody asked for it");
    assert!(trim_point.0 >= known.trim_acked, "{context}: the trim point of {id} fell");
    assert!(trim_point.0 <= known.trim_asked, "{context}: {id} is trimmed too far");
    let end = known.next.max(tail.0) + 2;
    let mut at = 0;
    while at < end {
        let cells = unit.read(id, Offset(at)..Offset(end), 10_000).await.unwrap();
        for cell in cells {
            match cell {
                CellState::Trimmed => assert!(at < trim_point.0),
                CellState::Present(bytes) => {
                    assert_eq!(Some(&bytes), known.sent.get(&at), "{context}: {id} holds other bytes at {at}");
                    known.acked.insert(at);
                }
                CellState::Absent => {
                    assert!(!known.acked.contains(&at), "{context}: {id} lost what was acknowledged at {at}");
                    assert!(at >= tail.0, "{context}: {id} has a hole at {at} below its tail {tail}");
                }
                other => panic!("{context}: {id} answers {other:?} at {at}"),
            }
            at += 1;
        }
    }
    known.open_acked = true;
    (known.seal_acked, known.seal_asked) = (sealed, sealed);
    (known.trim_acked, known.trim_asked) = (trim_point.0, trim_point.0);
    known.drop_asked = false;
    known.sent.retain(|at, _| *at < tail.0);
    known.next = tail.0;
}

async fn check_all(server: &LogServer, model: &Shared, context: &str) {
    let mut known = model.lock().clone();
    assert!(server.boot() > known.boot, "{context}: the boot count did not rise");
    known.boot = server.boot();
    for (id, k) in &mut known.loglets {
        check(server.unit(), *id, k, context).await;
    }
    *model.lock() = known;
}

/// Runs one process: it opens the directory, checks it and works. Returns true if the drive froze before the work was
/// done.
fn live(
    drive: &Drive,
    model: &Shared,
    random: &SeededEntropy,
    steps: usize,
    freeze: Option<u64>,
    context: &str,
) -> bool {
    if let Some(k) = freeze {
        drive.freeze_at_sync(k);
    }
    let done = simulate_until_frozen(async {
        let server = open(drive).await.unwrap_or_else(|e| panic!("{context}: {e}"));
        check_all(&server, model, context).await;
        work(&server, model, random, steps).await;
        server.shutdown().await.unwrap();
    });
    if freeze.is_some() && done.is_some() {
        drive.crash();
    }
    done.is_none()
}

#[test]
fn rule_3_a_crash_at_every_sync_keeps_what_was_acknowledged() {
    const STEPS: usize = 40;
    let mut k = 1;
    loop {
        let mut froze = false;
        for seed in 0..4 {
            let context = format!("crash at sync {k}, seed {seed}");
            let (drive, model) = (Drive::new(seed * 1_000 + k), Shared::default());
            let random = SeededEntropy::new(seed);
            froze |= live(&drive, &model, &random, STEPS, Some(k), &context);
            assert!(!live(&drive, &model, &random, 5, None, &context));
        }
        if !froze {
            break;
        }
        k += 1;
    }
    assert!(k > 20, "the work has only {k} syncs");
}

#[test]
fn many_crashes_of_one_directory_keep_what_was_acknowledged() {
    for seed in 0..400 {
        let (drive, model) = (Drive::new(seed), Shared::default());
        let random = SeededEntropy::new(seed + 7_000);
        for life in 0..12 {
            let context = format!("seed {seed}, life {life}");
            let k = 1 + random.u64() % 60;
            live(&drive, &model, &random, 80, Some(k), &context);
        }
        let context = format!("seed {seed}, at the end");
        assert!(!live(&drive, &model, &random, 0, None, &context));
    }
}

/// If the sync of a batch failed, the batch may be in the page cache only. Each batch states that all batches before it
/// are durable. So the next process must make the unsynced batch durable before it writes a batch of its own.
#[test]
fn a_power_cut_in_the_start_after_an_unsynced_batch_leaves_a_directory_that_opens() {
    for seed in 0..200 {
        let drive = Drive::new(seed);
        let first = simulate_until_frozen(async {
            let server = open(&drive).await.unwrap();
            let unit = server.unit();
            unit.open(id(1), params()).await.unwrap();
            store(unit, request(id(1), 0, &[payload(0, 10)], 0)).await.unwrap();
            drive.set_fault(Fault::Sync { path: "0001.seg".to_owned(), from: 1 });
            let unknown = store(unit, request(id(1), 1, &[payload(1, 3_000)], 1)).await;
            assert!(matches!(unknown, Err(UnitError::Poisoned(_))), "{unknown:?}");
            server.shutdown().await.unwrap();
        });
        assert!(first.is_some());
        drive.clear_faults();
        drive.freeze_at_sync(1 + seed % 3);
        let started = simulate_until_frozen(async { open(&drive).await.map(drop) });
        drive.crash();
        let checked = simulate_until_frozen(async {
            let server = open(&drive).await.unwrap_or_else(|e| panic!("seed {seed}, start {started:?}: {e}"));
            let read = server.unit().read(id(1), Offset(0)..Offset(2), usize::MAX).await.unwrap();
            assert_eq!(read[0], CellState::Present(payload(0, 10)), "seed {seed}");
            let whole_or_not = [CellState::Present(payload(1, 3_000)), CellState::Absent];
            assert!(whole_or_not.contains(&read[1]), "seed {seed}: half there");
            server.shutdown().await.unwrap();
        });
        assert!(checked.is_some(), "seed {seed}");
    }
}

/// Processes are killed at any moment, even between a change and its sync, and from time to time the power is cut. If
/// `syncs_fail`, the syncs of some processes fail too.
fn many_lives(seeds: u64, salt: u64, syncs_fail: bool) {
    for seed in 0..seeds {
        let (drive, model) = (Drive::new(seed), Shared::default());
        let random = SeededEntropy::new(seed + salt);
        let call = Duration::from_millis(1);
        drive.set_latency(Latency { write: call, sync: 2 * call, ..Latency::default() });
        for life in 0..16 {
            let context = format!("seed {seed}, life {life}");
            let fails = syncs_fail && random.u64().is_multiple_of(2);
            if fails {
                drive.set_fault(Fault::Sync { path: "journal".to_owned(), from: 1 + random.u64() % 30 });
            }
            // Half of the processes are killed during their start or soon after it.
            let most = if random.u64().is_multiple_of(2) { 30 } else { 400 };
            let lifetime = call * u32::try_from(1 + random.u64() % most).unwrap();
            let _killed = simulate_for(lifetime, async {
                let server = match open(&drive).await {
                    Err(OpenError::Io { .. } | OpenError::Unit(_)) if fails => return,
                    opened => opened.unwrap_or_else(|e| panic!("{context}: {e}")),
                };
                check_all(&server, &model, &context).await;
                work(&server, &model, &random, 80).await;
                server.shutdown().await.unwrap();
            });
            drive.clear_faults();
            if random.u64().is_multiple_of(2) {
                drive.crash();
            }
        }
        drive.set_latency(Latency::default());
        assert!(!live(&drive, &model, &random, 0, None, &format!("seed {seed}, at the end")));
    }
}

#[test]
fn many_kills_and_power_cuts_of_one_directory_keep_what_was_acknowledged() {
    many_lives(200, 9_000, false);
}

#[test]
fn many_kills_power_cuts_and_failed_syncs_of_one_directory_keep_what_was_acknowledged() {
    many_lives(200, 11_000, true);
}

/// The file `format` marks a directory that has a journal. A process may end before the name of that file is durable.
/// The next process then makes the name durable before it acknowledges anything.
#[test]
fn a_directory_that_was_opened_once_is_not_formatted_again() {
    for k in 1..=12 {
        for seed in 0..8 {
            let drive = Drive::new(seed);
            drive.set_fault(Fault::Sync { path: String::new(), from: k });
            let formatted = simulate(async { open(&drive).await.map(drop) });
            drive.clear_faults();
            let start = |is_power_cut: bool| {
                simulate(async {
                    let server = open(&drive).await.unwrap();
                    if is_power_cut {
                        drive.crash();
                    }
                    (server.storage_id(), server.boot())
                })
            };
            let (opened, reopened) = (start(true), start(false));
            let context = format!("sync {k} failed, seed {seed}: {formatted:?}, {opened:?}, {reopened:?}");
            assert!(opened.0 == reopened.0 && opened.1 < reopened.1, "{context}");
        }
    }
}

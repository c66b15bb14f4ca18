//! Runs a hundred seeds of the simulator, each twice in fresh processes. The invariants must hold, and the two traces
//! must be equal to the byte. `NAXOS_SEEDS` sets the number of seeds, `NAXOS_SEED` the first one.
#![cfg(test)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use naxos_jepsen::pace;
use parking_lot::Mutex;

/// Number of seeds in one run.
const SEEDS: u64 = 100;
/// Number of seeds that run at the same time: one for each core of a machine with two cores.
const AT_ONCE: usize = 2;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// Runs a seed in a fresh process and returns its summary.
fn simulate(seed: u64, trace: &Path) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_naxos-simulate"));
    let output = command.arg(seed.to_string()).arg("--trace").arg(trace).output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(format!("{}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

/// The first line in which two traces differ.
fn difference(first: &str, second: &str) -> String {
    let pair = first.lines().zip(second.lines()).enumerate().find(|(_, (a, b))| a != b);
    match pair {
        Some((at, (a, b))) => format!("line {}: {a:?} and {b:?}", at + 1),
        None => format!("one ends early: {} and {} lines", first.lines().count(), second.lines().count()),
    }
}

fn run_twice(seed: u64, folder: &Path) -> Result<String, String> {
    let traces: [PathBuf; 2] = [folder.join(format!("{seed}-first")), folder.join(format!("{seed}-second"))];
    let replay = |reason| {
        format!("seed {seed}: {reason}\nreplay: cargo run -p naxos-jepsen --bin naxos-simulate -- {seed} --trace FILE")
    };
    let summary = simulate(seed, &traces[0]).map_err(replay)?;
    simulate(seed, &traces[1]).map_err(replay)?;
    let [first, second] = traces.each_ref().map(|path| std::fs::read_to_string(path).expect("a trace was written"));
    for path in &traces {
        std::fs::remove_file(path).expect("a trace can be removed");
    }
    if first != second {
        return Err(replay(format!("two runs differ: {}", difference(&first, &second))));
    }
    Ok(summary)
}

#[test]
fn a_node_keeps_its_word_over_crashes_and_a_seed_decides_everything() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let first = number("NAXOS_SEED", 1);
    let (next, end) = (AtomicU64::new(first), first + number("NAXOS_SEEDS", SEEDS));
    let failures = Mutex::new(Vec::new());
    let begun = pace::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= end {
                        break;
                    }
                    match run_twice(seed, folder.path()) {
                        Ok(summary) => print!("{summary}"),
                        Err(failure) => failures.lock().push(failure),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner();
    println!("{} seeds, each twice, in {:?}", end - first, begun.elapsed());
    assert!(failures.is_empty(), "{} seeds failed\n{}", failures.len(), failures.join("\n"));
}

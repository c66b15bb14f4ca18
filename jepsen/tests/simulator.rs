//! Runs seeds of the simulator: of one node, and of a cluster of three. The invariants must hold, and for the seeds
//! that run twice, in fresh processes, the two traces must be equal to the byte. `NAXOS_SEED` sets the first seed,
//! `NAXOS_SEEDS` the number of seeds.
#![cfg(test)]

use std::path::PathBuf;

use naxos_jepsen::simulator::seeds::{Plan, Sums, run};

/// Number of seeds of one node. All run twice.
const SEEDS: u64 = 100;
/// Number of seeds of a cluster.
const CLUSTER_SEEDS: u64 = 200;
/// How many of them, from the first one on, run twice.
const CLUSTER_SEEDS_TWICE: u64 = 100;
/// Number of seeds that run at the same time: one for each core of a machine with two cores.
const AT_ONCE: usize = 2;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

fn run_seeds(members: u8, seeds: u64, twice: u64) -> Sums {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let plan = Plan {
        program: PathBuf::from(env!("CARGO_BIN_EXE_naxos-simulate")),
        members,
        first: number("NAXOS_SEED", 1),
        seeds: number("NAXOS_SEEDS", seeds),
        twice,
        jobs: AT_ONCE,
        folder: folder.path().to_owned(),
    };
    let sums = run(&plan, |_| ());
    println!("{members} members: {sums}\n{:?}", sums.counts);
    assert!(sums.failures.is_empty(), "{} seeds failed\n{}", sums.failures.len(), sums.failures.join("\n"));
    sums
}

#[test]
fn a_node_keeps_its_word_over_crashes_and_a_seed_decides_everything() {
    run_seeds(1, SEEDS, SEEDS);
}

#[test]
fn a_cluster_keeps_its_word_over_mixed_faults_and_recovers_when_they_end() {
    let sums = run_seeds(3, CLUSTER_SEEDS, CLUSTER_SEEDS_TWICE);
    if std::env::var_os("NAXOS_SEEDS").is_none() {
        assert_eq!(sums.never_reached(), [""; 0], "a rare event that no seed reached");
    }
}

//! Runs one seed of the simulator in a fresh process and prints its summary. Exits with 1 if a check fails.

#[cfg(not(test))]
mod clock;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use naxos_jepsen::simulator::cluster::extra::Extra;
use naxos_jepsen::simulator::{cluster, run};

/// Simulates nodes, their clients and their faults. A seed decides everything that happens.
#[derive(Debug, Parser)]
struct Arguments {
    /// The seed. The same seed gives the same run.
    seed: u64,
    /// How many members the cluster has. With 1, a single node runs without a cluster.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    members: u8,
    /// With about half of the seeds, one member of the cluster loses its disk. Needs two or more members.
    #[arg(long)]
    lose_disk: bool,
    /// With some seeds, an old copy of a disk takes the place of the disk, and the cluster has to refuse it. Needs three or
    /// more members.
    #[arg(long)]
    old_copy: bool,
    /// A member is added to the cluster, promoted and removed, and the lead moves between the members. Needs two or more
    /// members.
    #[arg(long)]
    newcomer: bool,
    /// A bit of one member's disk flips. Needs three or more members.
    #[arg(long)]
    rot: bool,
    /// A second process starts on a clone of a member's disk, and the cluster has to refuse it. Needs three or more members.
    #[arg(long)]
    twin: bool,
    /// Instead of whole nodes the cluster has two front ends, three log servers and two sequencers. Needs two or more
    /// members.
    #[arg(long)]
    parts: bool,
    /// Writes the trace to this file.
    #[arg(long)]
    trace: Option<PathBuf>,
}

impl Arguments {
    fn has(&self, extra: Extra) -> bool {
        match extra {
            Extra::Lost => self.lose_disk,
            Extra::OldCopy => self.old_copy,
            Extra::Newcomer => self.newcomer,
            Extra::Rot => self.rot,
            Extra::Twin => self.twin,
            Extra::Parts => self.parts,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let extras: Vec<Extra> = Extra::ALL.into_iter().filter(|extra| arguments.has(*extra)).collect();
    if let Some(extra) = extras.iter().find(|extra| arguments.members < extra.members_min()) {
        eprintln!("{} needs --members {} or more", extra.flag(), extra.members_min());
        return ExitCode::FAILURE;
    }
    let clash = |one: &Extra| extras.iter().copied().find(|other| !one.goes_with(*other)).map(|other| (*one, other));
    if let Some((one, other)) = extras.iter().find_map(clash) {
        eprintln!("{} and {} do not go together", one.flag(), other.flag());
        return ExitCode::FAILURE;
    }
    let outcome = match arguments.members {
        1 => run::run(arguments.seed),
        members => cluster::run::run(arguments.seed, members.into(), &extras),
    };
    println!("seed={} {outcome}", arguments.seed);
    for broken in &outcome.broken {
        eprintln!("seed={}: {broken}", arguments.seed);
    }
    let written = arguments.trace.map(|path| (std::fs::write(&path, outcome.trace.text()), path));
    if let Some((Err(error), path)) = &written {
        eprintln!("{}: {error}", path.display());
    }
    if outcome.broken.is_empty() && !matches!(written, Some((Err(_), _))) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

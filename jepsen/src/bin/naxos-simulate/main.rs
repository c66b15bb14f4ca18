//! Runs one seed of the simulator in a fresh process and prints its summary. Exits with 1 if a check fails.

#[cfg(not(test))]
mod clock;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use naxos_jepsen::simulator::cluster::run::Extra;
use naxos_jepsen::simulator::{cluster, run};

/// Simulates nodes, their clients and their faults. A seed decides everything that happens.
#[derive(Debug, Parser)]
struct Arguments {
    /// The seed. The same seed gives the same run.
    seed: u64,
    /// How many members the cluster has. With 1, a single node runs without a cluster.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    members: u8,
    /// With about half of the seeds, one member of the cluster loses its disk. Needs two or more members: a node that is
    /// alone has no other to get its data from.
    #[arg(long)]
    lose_disk: bool,
    /// With some seeds, an old copy of a disk takes the place of the disk, and the cluster has to refuse it. Needs three or
    /// more members.
    #[arg(long, conflicts_with = "lose_disk")]
    old_copy: bool,
    /// A member is added to the cluster, promoted and removed, and the lead moves between the members. Needs two or more
    /// members.
    #[arg(long, conflicts_with_all = ["lose_disk", "old_copy"])]
    newcomer: bool,
    /// Writes the trace to this file.
    #[arg(long)]
    trace: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.lose_disk && arguments.members == 1 {
        eprintln!("--lose-disk needs --members 2 or more: a node that is alone has no other to get its data from");
        return ExitCode::FAILURE;
    }
    if arguments.old_copy && arguments.members < 3 {
        eprintln!("--old-copy needs --members 3 or more: the others must be a quorum without the member");
        return ExitCode::FAILURE;
    }
    if arguments.newcomer && arguments.members == 1 {
        eprintln!("--newcomer needs --members 2 or more: a node that is alone has no cluster here");
        return ExitCode::FAILURE;
    }
    let extra = match (arguments.lose_disk, arguments.old_copy, arguments.newcomer) {
        (true, ..) => Extra::Lost,
        (_, true, _) => Extra::OldCopy,
        (.., true) => Extra::Newcomer,
        _ => Extra::None,
    };
    let outcome = match arguments.members {
        1 => run::run(arguments.seed),
        members => cluster::run::run(arguments.seed, members.into(), extra),
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

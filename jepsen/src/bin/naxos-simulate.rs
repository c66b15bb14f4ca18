//! Runs one seed of the simulator in a fresh process and prints its summary. Exits with 1 if a check fails.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use naxos_jepsen::simulator::run::run;

/// Simulates one node, its clients and its crashes. A seed decides everything that happens.
#[derive(Debug, Parser)]
struct Arguments {
    /// The seed. The same seed gives the same run.
    seed: u64,
    /// Writes the trace to this file.
    #[arg(long)]
    trace: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = run(arguments.seed);
    if let Some(path) = &arguments.trace
        && let Err(error) = std::fs::write(path, outcome.trace.text())
    {
        eprintln!("{}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    println!("seed={} {outcome}", arguments.seed);
    for broken in &outcome.broken {
        eprintln!("seed={}: {broken}", arguments.seed);
    }
    if outcome.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! The command line.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{cluster, compare, endurance, floor, load};

/// Load generator for etcd endpoints, and comparison of Naxos with etcd.
///
/// Every table is Markdown on standard output; --json FILE writes the figures as JSON. Latencies are in microseconds,
/// unless the name of the column says ms or s. CPU is the time of all threads of the server, user and system. For a
/// cluster it is the sum over all members.
#[derive(Debug, Parser)]
#[command(name = "naxos-benches", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Load(load::Args),
    Compare(compare::Args),
    Gap(cluster::gap::Args),
    SlowDisk(cluster::slow_disk::Args),
    Proxy(cluster::round_trip::Args),
    Reconfigure(cluster::planned::Args),
    RollingRestart(cluster::rolling::Args),
    Wipe(cluster::wipe::Args),
    Soak(endurance::soak::Args),
    Disturb(endurance::disturb::Args),
    Million(endurance::million::Args),
    #[command(hide = true)]
    ServeNothing(floor::NothingArgs),
    #[command(hide = true)]
    ServeDurable(floor::DurableArgs),
}

/// Runs the command line of this process. The exit code is 1 if the command failed or if a limit was missed.
pub fn main() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("naxos-benches: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a command in this process, as tests do. `words` begin with the name of the program. Returns false if a limit
/// was missed or, for some commands, if a call failed.
pub fn run<W: Into<OsString> + Clone>(words: impl IntoIterator<Item = W>) -> Result<bool> {
    execute(Cli::try_parse_from(words)?.command)
}

fn execute(command: Command) -> Result<bool> {
    match command {
        Command::Load(args) => load::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Gap(args) => cluster::gap::run(&args),
        Command::SlowDisk(args) => cluster::slow_disk::run(&args),
        Command::Proxy(args) => cluster::round_trip::run(&args),
        Command::Reconfigure(args) => cluster::planned::run(&args),
        Command::RollingRestart(args) => cluster::rolling::run(&args),
        Command::Wipe(args) => cluster::wipe::run(&args),
        Command::Soak(args) => endurance::soak::run(&args),
        Command::Disturb(args) => endurance::disturb::run(args),
        Command::Million(args) => endurance::million::run(&args),
        Command::ServeNothing(args) => floor::serve_nothing(&args),
        Command::ServeDurable(args) => floor::serve_durable(&args),
    }
}

//! Fault tests that take longer than a test command may.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use naxos_jepsen::differential::dice::Dice;
use naxos_jepsen::kill_loop::{self, Plan, full_disk};

/// Fault tests that take longer than a test command may.
#[derive(Debug, Parser)]
#[command(name = "naxos-jepsen")]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Kills a server under writes, starts it again, and looks for what it has lost.
    KillLoop(KillLoop),
}

#[derive(Debug, Args)]
struct KillLoop {
    /// How many kills; with --full-disk, how many times the disk fills up.
    #[arg(long, default_value_t = 1000)]
    rounds: u32,
    /// Clients that write at a time.
    #[arg(long, default_value_t = 8)]
    writers: u32,
    /// The server's program; else the naxos that was built beside this one.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Repeats the kills of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
    /// Fill this small file system (at least 256 MiB) instead of killing.
    #[arg(long, value_name = "FOLDER")]
    full_disk: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    match Line::parse().command {
        Command::KillLoop(asked) => kill_loop(asked),
    }
}

fn kill_loop(asked: KillLoop) -> anyhow::Result<()> {
    let program = match asked.program {
        Some(program) => program,
        None => std::env::current_exe()?.with_file_name("naxos-jepsen-node"),
    };
    let folder = match &asked.full_disk {
        Some(folder) => tempfile::tempdir_in(folder).with_context(|| format!("--full-disk {}", folder.display()))?,
        None => tempfile::tempdir()?,
    };
    let seed = asked.seed.unwrap_or_else(Dice::seed_of_this_run);
    let data = folder.path().join("data");
    let plan = Plan { program, data, rounds: asked.rounds, writers: asked.writers, seed };
    if asked.full_disk.is_some() { full_disk::run(&plan) } else { kill_loop::run(&plan) }
}

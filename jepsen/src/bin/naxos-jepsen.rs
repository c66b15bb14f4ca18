//! Fault tests that take too long for `cargo test`.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use naxos_jepsen::differential::dice::Dice;
use naxos_jepsen::kill_loop::{self, Plan, full_disk};

/// Fault tests that take too long for `cargo test`.
#[derive(Debug, Parser)]
#[command(name = "naxos-jepsen")]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Kills a server while clients write, starts it again, and checks that no acknowledged write is lost.
    KillLoop(KillLoop),
}

#[derive(Debug, Args)]
struct KillLoop {
    /// How many kills; with --full-disk, how many times the disk fills up.
    #[arg(long, default_value_t = 1000)]
    rounds: u32,
    /// How many clients write at the same time.
    #[arg(long, default_value_t = 8)]
    writers: u32,
    /// The program of the server. Default: naxos-jepsen-node in the folder of this program.
    #[arg(long)]
    program: Option<PathBuf>,
    /// The seed of an earlier run, to repeat the times of its kills. Default: NAXOS_SEED, or else a new seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Instead of the kills at random moments, fill the small file system (at least 256 MiB) that holds this folder.
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

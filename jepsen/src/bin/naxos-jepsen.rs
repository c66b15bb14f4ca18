//! Fault tests that take too long for `cargo test`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use naxos_benches::cluster::kind::Kind;
use naxos_jepsen::cluster::mixed;
use naxos_jepsen::differential::dice::seed_of_this_run;
use naxos_jepsen::kill_loop::{self, Plan, full_disk};
use naxos_jepsen::model::case::{Case, cases, deep_cases};
use naxos_jepsen::model::founding::foundings;
use naxos_jepsen::model::report::Report;
use naxos_jepsen::simulator::cluster::matrix::Matrix;
use naxos_jepsen::simulator::seeds;

/// How many lines of progress a run of the simulator prints.
const PROGRESS_LINES: u64 = 20;

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
    /// Lets members of a cluster fail while clients write and watch, and checks that nothing is lost.
    Cluster(ClusterLine),
    /// Runs many seeds of the simulator of a whole cluster, its clients and its faults.
    Simulate(SimulateLine),
    /// Visits every execution of the models of the replicated log and of the founding of a cluster.
    Model(ModelLine),
}

#[derive(Debug, Args)]
struct ClusterLine {
    /// How many members there are.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=5))]
    nodes: u8,
    /// How many faults there are at most, one after the other.
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// The run ends after this time, even if there were fewer faults. A round takes about 7 s.
    #[arg(long = "for", default_value = "1h", value_parser = humantime::parse_duration)]
    limit: Duration,
    /// How many clients write at the same time.
    #[arg(long, default_value_t = 8)]
    writers: u32,
    /// How long a client rests after each write. Give 10ms for a run of an hour, because this program keeps all writes
    /// in memory.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    rest: Duration,
    /// The faults to choose from. Freeze, cut, deaf and pair need root and the programs mkfs.ext4, mount, umount,
    /// fsfreeze and ip.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "kill,stop,term,move")]
    kinds: Vec<Kind>,
    /// The program of the server. Default: naxos-jepsen-node in the folder of this program.
    #[arg(long)]
    program: Option<PathBuf>,
    /// The seed of an earlier run, to repeat its faults. Default: NAXOS_SEED, or else a new seed.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Debug, Args)]
struct SimulateLine {
    /// How many seeds run.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// How many members each cluster has. With 1, a single node runs without a cluster.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=5))]
    members: u8,
    /// How many seeds run at the same time. Default: one for each core.
    #[arg(long)]
    jobs: Option<usize>,
    /// How many seeds run twice, to compare their traces.
    #[arg(long, default_value_t = 0)]
    twice: u64,
}

#[derive(Debug, Args)]
struct ModelLine {
    /// Also visit the cases that each take minutes and up to 20 GB of memory.
    #[arg(long)]
    deep: bool,
    /// Print the steps of each counterexample.
    #[arg(long)]
    steps: bool,
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
        Command::Cluster(asked) => run_cluster(asked),
        Command::Simulate(asked) => simulate(&asked),
        Command::Model(asked) => check_models(&asked),
    }
}

fn run_cluster(asked: ClusterLine) -> anyhow::Result<()> {
    let program = match asked.program {
        Some(program) => program,
        None => std::env::current_exe()?.with_file_name("naxos-jepsen-node"),
    };
    let folder = tempfile::tempdir()?;
    asked.kinds.iter().try_for_each(|kind| kind.need())?;
    let plan = mixed::Plan {
        program,
        folder: folder.path().to_owned(),
        members: asked.nodes.into(),
        rounds: asked.rounds,
        limit: asked.limit,
        writers: asked.writers,
        rest: asked.rest,
        kinds: asked.kinds,
        seed: asked.seed.unwrap_or_else(seed_of_this_run),
    };
    let rounds = mixed::run(&plan)?;
    for hit_leader in [true, false] {
        let mut gaps: Vec<_> = rounds.iter().filter(|round| round.hit_leader == hit_leader).map(|r| r.gap).collect();
        gaps.sort_unstable();
        if let (Some(median), Some(longest)) = (gaps.get(gaps.len() / 2), gaps.last()) {
            let role = if hit_leader { "leader" } else { "follower" };
            println!(
                "{} faults that hit the {role}: median time without a write {median:?}, longest {longest:?}",
                gaps.len()
            );
        }
    }
    Ok(())
}

fn simulate(asked: &SimulateLine) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let plan = seeds::Plan {
        program: std::env::current_exe()?.with_file_name("naxos-simulate"),
        members: asked.members,
        first: asked.first,
        seeds: asked.seeds,
        twice: asked.twice,
        jobs: asked.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        folder: folder.path().to_owned(),
    };
    let every = (asked.seeds / PROGRESS_LINES).max(1);
    let shown = AtomicUsize::new(0);
    let sums = seeds::run(&plan, |sums| {
        // A failure is shown at once, because a run can take an hour.
        for failure in &sums.failures[shown.swap(sums.failures.len(), Ordering::Relaxed)..] {
            println!("{failure}");
        }
        if sums.ended.is_multiple_of(every) {
            println!("{sums}");
        }
    });
    for (name, sum) in sums.counts.iter().filter(|(name, _)| !name.contains('*')) {
        println!("  {name} {sum}");
    }
    if asked.members > 1 {
        println!("how often a fault was followed by a way to recover:\n{}", Matrix(&sums.counts));
    }
    anyhow::ensure!(sums.failures.is_empty(), "{} of {} seeds failed", sums.failures.len(), asked.seeds);
    if asked.members > 1 {
        let never = sums.never_reached();
        anyhow::ensure!(never.is_empty(), "no seed met these rare events: {}; run more seeds", never.join(", "));
    }
    Ok(())
}

fn check_models(asked: &ModelLine) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    let mut print = |name: &str, report: Report, is_wanted: bool| {
        println!("{name}: {report}");
        for failure in report.failures.iter().filter(|_| asked.steps) {
            failure.steps.iter().flatten().for_each(|step| println!("    {step}"));
        }
        if report.has_counterexample() != is_wanted || (!is_wanted && !report.failures.is_empty()) {
            wrong.push(name.to_owned());
        }
    };
    let deep = if asked.deep { deep_cases() } else { Vec::new() };
    for Case { name, setting, rules } in cases().into_iter().chain(deep) {
        print(name, Report::of(setting.clone()), false);
        for rule in rules {
            print(&format!("{name}, without {rule:?}"), Report::of(setting.without(rule)), true);
        }
    }
    for (name, founding) in foundings() {
        let is_wanted = founding.without.is_some();
        print(name, Report::of(founding), is_wanted);
    }
    anyhow::ensure!(wrong.is_empty(), "not as expected: {}", wrong.join("; "));
    Ok(())
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
    let seed = asked.seed.unwrap_or_else(seed_of_this_run);
    let data = folder.path().join("data");
    let plan = Plan { program, data, rounds: asked.rounds, writers: asked.writers, seed };
    if asked.full_disk.is_some() { full_disk::run(&plan) } else { kill_loop::run(&plan) }
}

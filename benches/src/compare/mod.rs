//! `naxos-benches compare`: the same work on Naxos, a real etcd and the two servers of [`crate::floor`], interleaved
//! in one run.

mod limits;
mod prepare;
mod rounds;
mod rows;
mod settings;
mod table;
mod through;
mod verdicts;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde::Serialize;

use crate::report;
use crate::servers::{Candidate, Programs};
use rounds::RowResult;
use settings::Settings;
use verdicts::Verdict;

/// Compare Naxos with a real etcd, with a server that only makes calls durable, and with one that does nothing.
///
/// All do the same work in interleaved rounds, and the figures are medians. A row of the table is one kind of work
/// with one number of clients. For each row, the servers that can do its work are started on empty data directories of
/// one file system. Only the two rows that read pages of keys share their servers. The exit code is 1 if Naxos misses
/// a limit, or if a call failed.
///
/// With --nodes above 1, every server is a cluster of that many processes on this machine, and the table has different
/// rows. The clients are spread over all members. If the row's name says so, they go through the leader only (for Naxos
/// the node that gives out positions in the log), or through one follower only. CPU is that of all members together.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    programs: Programs,
    /// Number of members of each server.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    nodes: u8,
    /// The servers to compare [default: naxos,etcd,durable,nothing; with more than one node naxos,etcd, because the
    /// other two are servers of one node].
    #[arg(long, value_enum, value_delimiter = ',')]
    servers: Vec<Candidate>,
    /// Names of the rows to run [default: all rows; an unknown name prints all names].
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Rounds of every row; medians are taken over them [default: 3, with --quick 1].
    #[arg(long)]
    rounds: Option<usize>,
    /// Length of a measured window [default: 5s, with --quick 2s].
    #[arg(long, value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// How long the load runs before each window.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    warm_up: Duration,
    /// Number of keys in the store for the rows that read pages of keys [default: 1000000, with --quick 50000].
    #[arg(long)]
    page_keys: Option<u64>,
    /// Size of a value in bytes.
    #[arg(long, default_value_t = 256)]
    value_bytes: usize,
    /// A short run to see that everything works: one round, short windows, few keys for the rows that read pages.
    #[arg(long)]
    quick: bool,
    /// Write the figures to this file as JSON too.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Report {
    settings: Settings,
    rows: Vec<RowResult>,
    verdicts: Vec<Verdict>,
}

/// Runs the comparison; false if a limit is missed or a call failed.
pub fn run(args: Args) -> Result<bool> {
    let settings = args.settings();
    ensure!(settings.rounds > 0 && settings.page_keys > 0, "--rounds and --page-keys must be above 0");
    if let Some(alone) = settings.servers.iter().find(|server| settings.nodes > 1 && !server.stores()) {
        bail!(
            "--servers {alone} cannot run with --nodes {}: this server always has one node; expected naxos or etcd",
            settings.nodes
        );
    }
    let groups = rows::chosen(&args.rows, settings.nodes, settings.page_keys)?;
    let programs = args.programs.resolve(&settings.servers)?;
    let mut results = Vec::new();
    for group in &groups {
        results.extend(rounds::run(&programs, &settings, group)?);
    }
    let verdicts = verdicts::judge(&results);
    print!("{}", table::figures(&results));
    if !verdicts.is_empty() {
        print!("\n{}", table::verdicts(&verdicts));
    }
    let failed = results.iter().any(|row| row.servers.iter().any(|server| server.median.errors > 0));
    let missed = verdicts.iter().any(|verdict| !verdict.held);
    report::write_json(args.json.as_deref(), &Report { settings, rows: results, verdicts })?;
    Ok(!failed && !missed)
}

impl Args {
    fn settings(&self) -> Settings {
        let (rounds, seconds, page_keys) = if self.quick { (1, 2, 50_000) } else { (3, 5, 1_000_000) };
        let servers = match (self.servers.is_empty(), self.nodes) {
            (false, _) => self.servers.clone(),
            (true, 1) => vec![Candidate::Naxos, Candidate::Etcd, Candidate::Durable, Candidate::Nothing],
            (true, _) => vec![Candidate::Naxos, Candidate::Etcd],
        };
        Settings {
            nodes: self.nodes.into(),
            servers,
            rounds: self.rounds.unwrap_or(rounds),
            duration: self.duration.unwrap_or(Duration::from_secs(seconds)),
            warm_up: self.warm_up,
            page_keys: self.page_keys.unwrap_or(page_keys),
            value_bytes: self.value_bytes,
            generator_threads: crate::load::cores(),
        }
    }
}

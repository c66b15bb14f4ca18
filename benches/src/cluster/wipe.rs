//! `naxos-benches wipe`: what clients notice when a member loses its disk and comes back with an empty one.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::load::client::Task;
use crate::load::connection::Endpoint;
use crate::load::generator::Plan;
use crate::load::keys::{Keys, Values};
use crate::load::measure::{Measured, measure};
use crate::load::preload::preload;
use crate::load::work::Shape;
use crate::pace;
use crate::report::markdown::Table;
use crate::report::verdict::verdict;
use crate::report::{median, write_json};
use crate::servers::cluster::Ground;
use crate::servers::{Candidate, Cluster, Programs};

/// Bytes of each value of the state that the cluster has before the disk is lost.
const VALUE_BYTES: usize = 16 << 10;

/// How long the load runs before a window begins.
const WARM_UP: Duration = Duration::from_secs(1);

/// How long the member may take until it serves again. It needs a copy of another member's local store, and that
/// member makes the copy while the load runs.
const BACK_MAX: Duration = Duration::from_secs(900);

/// Number of windows before the disk is lost.
const HEALTHY_WINDOWS: usize = 3;

/// The lowest allowed throughput while the member comes back, divided by the throughput before.
const KEPT_MIN: f64 = 0.5;

/// Measure what clients notice when a member of a Naxos cluster loses its disk.
///
/// The cluster gets a state of the given size. Then clients put in a closed loop through all members but one. That one
/// is killed, its data are removed, and it is started again at once. It fetches a snapshot from another member, and the
/// measurement ends when it serves and its storage unit is part of the log again.
///
/// The exit code is 1 if clients had less than half of their throughput meanwhile, or a put failed.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    programs: Programs,
    /// Number of members.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=5))]
    nodes: u8,
    /// Size of the state in MiB.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u16).range(1..))]
    state_mib: u16,
    /// Number of clients that put.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    clients: u16,
    /// Length of a window in which the throughput is measured.
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    window: Duration,
    /// Write the figures to this file as JSON too.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Outcome {
    state_mib: u16,
    /// From the kill until the member serves and its unit is part of the log again.
    back_after_seconds: f64,
    healthy: Vec<Measured>,
    meanwhile: Vec<Measured>,
}

/// Runs the command. False if a limit is missed.
pub fn run(args: &Args) -> Result<bool> {
    let programs = args.programs.clone().resolve(&[Candidate::Naxos])?;
    let mut cluster = Cluster::start(&programs, Candidate::Naxos, args.nodes.into(), Ground::Plain)?;
    cluster.wait_until_whole()?;
    let keys = Keys { prefix: "state/".to_owned(), count: (u64::from(args.state_mib) << 20) / VALUE_BYTES as u64 };
    eprintln!("putting {} MiB", args.state_mib);
    preload(&cluster.endpoints()[0], &keys, &Values::new(VALUE_BYTES))?;

    let lost = (cluster.leader()? + 1) % cluster.nodes();
    let mut others = cluster.endpoints();
    others.remove(lost);
    let healthy = (0..HEALTHY_WINDOWS).map(|_| args.measure(&others)).collect::<Result<Vec<_>>>()?;
    let begun = pace::now();
    cluster.server(lost).kill();
    cluster.server(lost).wipe().with_context(|| format!("remove the data of n{lost}"))?;
    let mut meanwhile = Vec::new();
    let back_after = std::thread::scope(|scope| {
        let coming_back = scope.spawn(|| {
            cluster.server(lost).restart_within(BACK_MAX)?;
            cluster.wait_until_whole()?;
            anyhow::Ok(begun.elapsed())
        });
        while !coming_back.is_finished() {
            meanwhile.push(args.measure(&others)?);
        }
        coming_back.join().map_err(|_| anyhow::anyhow!("the thread that starts n{lost} panicked"))?
    })?;
    let state_mib = args.state_mib;
    let outcome = Outcome { state_mib, back_after_seconds: back_after.as_secs_f64(), healthy, meanwhile };
    print!("{}", outcome.table());
    write_json(args.json.as_deref(), &outcome)?;
    Ok(outcome.held())
}

impl Args {
    /// The throughput in one window.
    fn measure(&self, endpoints: &[Endpoint]) -> Result<Measured> {
        let plan = Plan {
            endpoints: endpoints.to_vec(),
            task: Task::puts("wipe/", 10_000, 256),
            shape: Shape::of(self.clients.into()),
            rate: None,
            warm_up: WARM_UP,
            duration: self.window,
            threads: crate::load::cores(),
        };
        let measured = measure(plan, &[])?;
        eprintln!("{:.0} puts/s, p99 {} us, {} errors", measured.per_second, measured.p99_us, measured.errors);
        Ok(measured)
    }
}

impl Outcome {
    fn kept(&self) -> f64 {
        let rate = |windows: &[Measured]| median(&mut windows.iter().map(|w| w.per_second).collect::<Vec<_>>());
        rate(&self.meanwhile) / rate(&self.healthy)
    }

    fn errors(&self) -> u64 {
        self.healthy.iter().chain(&self.meanwhile).map(|window| window.errors).sum()
    }

    fn held(&self) -> bool {
        self.kept() >= KEPT_MIN && self.errors() == 0
    }

    fn table(&self) -> Table {
        let mut table =
            Table::new(&["state MiB", "back after s", "windows", "throughput kept", "errors", "limit", "verdict"]);
        table.row(vec![
            self.state_mib.to_string(),
            format!("{:.1}", self.back_after_seconds),
            self.meanwhile.len().to_string(),
            format!("{:.2} x", self.kept()),
            self.errors().to_string(),
            format!(">= {KEPT_MIN} x, no error"),
            verdict(Some(self.held())),
        ]);
        table
    }
}

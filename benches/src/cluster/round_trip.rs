//! `naxos-benches proxy`: puts in a cluster whose members are far from each other.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::echo;
use super::subjects::Subjects;
use crate::load::client::Task;
use crate::load::generator::Plan;
use crate::load::measure::{Measured, measure};
use crate::load::work::Shape;
use crate::pace;
use crate::report::markdown::Table;
use crate::report::verdict::{judged, verdict};
use crate::report::{median, write_json};
use crate::servers::cluster::Ground;
use crate::servers::{Candidate, Programs};

/// How long the load runs before a window begins.
const WARM_UP: Duration = Duration::from_secs(1);

/// How long the cluster runs before reconfigurations are counted. If one node has the sequencer and leads the
/// MetaStore, Naxos may move the lead or the sequencer to another node in this time. A move of the sequencer takes one
/// reconfiguration.
const SETTLE: Duration = Duration::from_secs(5);

/// The median time of a put through any member may be at most this many times the time of one round trip and one sync.
const RATIO_MAX: f64 = 1.15;

/// How many syncs each of two rounds has. Only the second round counts.
const SYNCS: usize = 200;

/// The size of each write. The time of a write is measured together with the sync after it.
const SYNC_BYTES: usize = 4096;

/// Measure puts in a cluster whose members are far from each other.
///
/// The members reach each other only through proxies. The proxies delay each message by half of --round-trip, so a request
/// to another member and its answer together take one --round-trip longer. The clients put through one member after the
/// other (closed loop), the leader first. No proxy stands between the clients and the members.
///
/// A put that is stored on a majority takes at least the time of one round trip and one sync. So the median time of a
/// put is compared with that time. The round trip and the sync are measured first: a small message through such a proxy
/// and back, and a write and a sync on the same file system.
///
/// The exit code is 1 if, with Naxos, the puts through some member took longer than allowed, a put failed, or the log
/// was reconfigured.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    subjects: Subjects,
    /// How much later the answer to a request comes from another member, because of the proxies.
    #[arg(long, value_delimiter = ',', default_value = "2ms,30ms,100ms", value_parser = humantime::parse_duration)]
    round_trip: Vec<Duration>,
    /// How long the clients put through each member. Longer runs show whether the log is reconfigured now and then.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Number of clients.
    #[arg(long, default_value_t = 1)]
    clients: usize,
    /// Write the figures to this file as JSON too.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The puts through one member.
#[derive(Debug, Serialize)]
struct Outcome {
    server: Candidate,
    round_trip: Duration,
    /// How long a message and its answer took through a proxy.
    echo_us: f64,
    sync_us: f64,
    /// 0 for the leader, else the number of the follower.
    follower: usize,
    measured: Measured,
    /// How often the log was reconfigured meanwhile.
    reconfigurations: u64,
}

/// Runs the command. False if Naxos misses a limit.
pub fn run(args: &Args) -> Result<bool> {
    ensure!(args.clients > 0, "--clients must be above 0");
    let programs = args.subjects.resolve()?;
    let sync_us = sync_us(&programs.data_folder()?)?;
    eprintln!("one sync takes {sync_us:.0} us");
    let mut outcomes = Vec::new();
    for &round_trip in &args.round_trip {
        let echo_us = echo::round_trip_us(round_trip / 2)?;
        eprintln!("with --round-trip {round_trip:?}, a message and its answer take {echo_us:.0} us");
        for &server in &args.subjects.server {
            let one = args.measure(&programs, server, round_trip, (echo_us, sync_us));
            outcomes.extend(one.with_context(|| format!("{server} with {round_trip:?}"))?);
        }
    }
    print!("{}", table(&outcomes));
    write_json(args.json.as_deref(), &outcomes)?;
    Ok(outcomes.iter().all(|outcome| outcome.judged() != Some(false)))
}

impl Args {
    fn measure(
        &self,
        programs: &Programs,
        server: Candidate,
        round_trip: Duration,
        (echo_us, sync_us): (f64, f64),
    ) -> Result<Vec<Outcome>> {
        let cluster = self.subjects.start(programs, server, Ground::Delayed(round_trip))?;
        pace::sleep(SETTLE);
        let mut outcomes = Vec::new();
        for (follower, endpoint) in cluster.leader_first()?.into_iter().enumerate() {
            let plan = Plan {
                endpoints: vec![endpoint],
                task: Task::puts("proxy/", 10_000, 256),
                shape: Shape::of(self.clients),
                rate: None,
                warm_up: WARM_UP,
                duration: self.duration,
                threads: 1,
            };
            let before = cluster.active_loglet()?;
            let measured = measure(plan, &[])?;
            let reconfigurations = cluster.active_loglet()? - before;
            eprintln!("{round_trip:?}: {server} member {follower}: p50 {} us", measured.p50_us);
            outcomes.push(Outcome { server, round_trip, echo_us, sync_us, follower, measured, reconfigurations });
        }
        Ok(outcomes)
    }
}

impl Outcome {
    /// One round trip and one sync.
    fn least_us(&self) -> f64 {
        self.echo_us + self.sync_us
    }

    fn ratio(&self) -> f64 {
        self.measured.p50_us as f64 / self.least_us()
    }

    fn judged(&self) -> Option<bool> {
        judged(self.server, self.ratio() <= RATIO_MAX && self.reconfigurations == 0 && self.measured.errors == 0)
    }
}

/// The median time of a write and a sync in a file below `folder`, in microseconds.
fn sync_us(folder: &Path) -> Result<f64> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let file: File = tempfile::tempfile_in(folder)?;
    let block = [0x5a; SYNC_BYTES];
    // Only the second round counts. It writes where the file already has its blocks, as the journal does.
    let mut times = Vec::new();
    for at in (0..SYNCS).chain(0..SYNCS) {
        let begun = pace::now();
        file.write_all_at(&block, (at * SYNC_BYTES) as u64)?;
        file.sync_data()?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(&mut times[SYNCS..]))
}

fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new(&[
        "round trip",
        "server",
        "through",
        "put p50 us",
        "p99 us",
        "one round trip and one sync, us",
        "ratio",
        "reconfigurations",
        "errors",
        "limit",
        "verdict",
    ]);
    for outcome in outcomes {
        let limit = format!("<= {RATIO_MAX} x, no reconfiguration");
        table.row(vec![
            humantime::format_duration(outcome.round_trip).to_string(),
            outcome.server.to_string(),
            if outcome.follower == 0 { "leader".to_owned() } else { format!("follower {}", outcome.follower) },
            outcome.measured.p50_us.to_string(),
            outcome.measured.p99_us.to_string(),
            format!("{:.0}", outcome.least_us()),
            format!("{:.2} x", outcome.ratio()),
            outcome.reconfigurations.to_string(),
            outcome.measured.errors.to_string(),
            outcome.judged().map_or("-".to_owned(), |_| limit),
            verdict(outcome.judged()),
        ]);
    }
    table
}

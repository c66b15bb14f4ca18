//! `naxos-benches slow-disk`: what a slow disk of one member costs.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::load::client::Task;
use crate::load::measure::{Measured, measure};
use crate::load::windows::Windows;
use crate::pace;
use crate::report::markdown::Table;
use crate::report::verdict::verdict;
use crate::report::{median, write_json};
use crate::servers::cluster::Ground;
use crate::servers::slow_syncs::SlowSyncs;
use crate::servers::{Candidate, Cluster, Programs};

/// The time that the member gets after a window, so that it can catch up.
const REST: Duration = Duration::from_secs(2);

/// The highest allowed p99 with a slow disk, divided by the p99 without.
const P99_RATIO_MAX: f64 = 1.3;

/// If each sync takes longer by at most this, there must be no reconfiguration.
const NO_CHANGE: Duration = Duration::from_millis(100);

/// Measure what it costs that the syncs of one member's disk are slow.
///
/// Clients put through all members of a Naxos cluster in an open loop, at half the rate that a closed loop reaches.
/// There are two kinds of time windows, which alternate: in one all disks are healthy, in the other every sync of one
/// member takes longer. First that member is the leader (the node that gives out positions in the log), later it is a
/// follower. The figures are medians over the windows.
///
/// The syncs are made slow by strace, which delays the member's threads when they return from fsync or fdatasync. So
/// this command needs strace and root, but no special build of Naxos.
///
/// The exit code is 1 if puts were slower than allowed, a put failed, or the log was reconfigured although the delay is
/// too short for that.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    programs: Programs,
    /// Number of members.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=5))]
    nodes: u8,
    /// By how much each sync takes longer.
    #[arg(long, value_delimiter = ',', default_value = "20ms,100ms,1s", value_parser = humantime::parse_duration)]
    delays: Vec<Duration>,
    #[command(flatten)]
    windows: Windows,
    /// Write the figures to this file as JSON too.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The member whose disk is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Role {
    Leader,
    Follower,
}

/// The windows with one delay on one member.
#[derive(Debug, Serialize)]
struct Outcome {
    delay: Duration,
    role: Role,
    rate: f64,
    healthy: Vec<Measured>,
    slow: Vec<Measured>,
    /// How often the log was reconfigured while the disk was slow.
    reconfigurations: u64,
}

/// Runs the command. False if a limit is missed.
pub fn run(args: &Args) -> Result<bool> {
    args.windows.check()?;
    SlowSyncs::need("slow-disk")?;
    let programs = args.programs.clone().resolve(&[Candidate::Naxos])?;
    let mut cluster = Cluster::start(&programs, Candidate::Naxos, args.nodes.into(), Ground::Plain)?;
    let task = Task::puts("slow-disk/", 10_000, 256);
    let rate = args.windows.rate(cluster.endpoints(), &task)?;
    let mut outcomes = Vec::new();
    for &delay in &args.delays {
        for role in [Role::Leader, Role::Follower] {
            let outcome = args.measure(&mut cluster, &task, rate, delay, role);
            outcomes.push(outcome.with_context(|| format!("syncs of {delay:?} at the {role}"))?);
        }
    }
    print!("{}", table(&outcomes));
    write_json(args.json.as_deref(), &outcomes)?;
    Ok(outcomes.iter().all(Outcome::held))
}

impl Args {
    fn measure(&self, cluster: &mut Cluster, task: &Task, rate: f64, delay: Duration, role: Role) -> Result<Outcome> {
        let plan = |cluster: &Cluster| self.windows.plan(cluster.endpoints(), task, Some(rate), self.windows.length);
        let mut outcome = Outcome { delay, role, rate, healthy: Vec::new(), slow: Vec::new(), reconfigurations: 0 };
        for window in 1..=self.windows.count {
            cluster.wait_until_whole()?;
            let healthy = measure(plan(cluster), &[])?;
            let leader = cluster.leader()?;
            let at = if role == Role::Leader { leader } else { (leader + 1) % cluster.nodes() };
            let before = cluster.active_loglet()?;
            let syncs = SlowSyncs::start(cluster.server(at).process(), delay)?;
            let slow = measure(plan(cluster), &[])?;
            let changes = cluster.active_loglet()? - before;
            syncs.stop()?;
            eprintln!(
                "syncs of {delay:?} at the {role} n{at}, window {window}: p99 {} us, healthy {} us, {changes} \
                 reconfigurations",
                slow.p99_us, healthy.p99_us
            );
            outcome.reconfigurations += changes;
            outcome.healthy.push(healthy);
            outcome.slow.push(slow);
            pace::sleep(REST);
        }
        Ok(outcome)
    }
}

impl Outcome {
    fn median_of(windows: &[Measured], of: fn(&Measured) -> u64) -> f64 {
        median(&mut windows.iter().map(|window| of(window) as f64).collect::<Vec<_>>())
    }

    fn p99_ratio(&self) -> f64 {
        let p99 = |windows| Self::median_of(windows, |window| window.p99_us);
        p99(&self.slow) / p99(&self.healthy)
    }

    fn errors(&self) -> u64 {
        self.healthy.iter().chain(&self.slow).map(|window| window.errors).sum()
    }

    fn held(&self) -> bool {
        let is_calm = self.reconfigurations == 0 || self.delay > NO_CHANGE;
        self.p99_ratio() <= P99_RATIO_MAX && is_calm && self.errors() == 0
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Role::Leader => "leader",
            Role::Follower => "follower",
        })
    }
}

fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new(&[
        "sync",
        "slow member",
        "puts/s",
        "healthy p50 us",
        "healthy p99 us",
        "slow p50 us",
        "slow p99 us",
        "p99 ratio",
        "reconfigurations",
        "errors",
        "limit",
        "verdict",
    ]);
    for outcome in outcomes {
        let figure = |windows, of| format!("{:.0}", Outcome::median_of(windows, of));
        let change = if outcome.delay > NO_CHANGE { "" } else { ", no reconfiguration" };
        table.row(vec![
            format!("+{}", humantime::format_duration(outcome.delay)),
            outcome.role.to_string(),
            format!("{:.0}", outcome.rate),
            figure(&outcome.healthy, |window| window.p50_us),
            figure(&outcome.healthy, |window| window.p99_us),
            figure(&outcome.slow, |window| window.p50_us),
            figure(&outcome.slow, |window| window.p99_us),
            format!("{:.2} x", outcome.p99_ratio()),
            outcome.reconfigurations.to_string(),
            outcome.errors().to_string(),
            format!("<= {P99_RATIO_MAX} x{change}"),
            verdict(Some(outcome.held())),
        ]);
    }
    table
}

//! `naxos-benches disturb`: the p99 of puts during compaction, Defragment or long lists, or while a watcher
//! catches up.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::deeds::Deeds;
use super::disturbance::{Disturbance, disturb};
use super::lists;
use crate::load::client::Task;
use crate::load::generator::{Plan, Running};
use crate::load::measure::measure;
use crate::load::windows::{CALIBRATION, Windows};
use crate::pace;
use crate::report::markdown::Table;
use crate::report::verdict::verdict;
use crate::report::{median, write_json};
use crate::servers::{Candidate, Programs, Server};

/// Measure puts in an open loop, at half the rate that a closed loop reaches, with and without compaction, Defragment,
/// long lists, or a watcher that catches up.
///
/// Windows without and with the disturbance alternate, on all servers in turn. The figures are medians over the
/// windows. The exit code is 1 if Naxos misses a limit, or if a put to it failed.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    programs: Programs,
    /// The servers to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "naxos,etcd")]
    servers: Vec<Candidate>,
    /// The disturbances, one after the other. Name catch-up before compaction, which deletes the history that catch-up
    /// reads.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "catch-up,compaction,defragment,lists")]
    kinds: Vec<Disturbance>,
    #[command(flatten)]
    windows: Windows,
    /// Number of revisions that the watcher is behind when it starts.
    #[arg(long, default_value_t = 500_000)]
    backlog: i64,
    /// Write the figures to this file as JSON too.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The figures of one window's puts. Latencies are in microseconds.
#[derive(Debug, Serialize)]
struct Window {
    p50_us: f64,
    p99_us: f64,
    errors: u64,
    deeds: Option<Deeds>,
}

/// The results of one disturbance on one server.
#[derive(Debug, Serialize)]
struct Outcome {
    server: Candidate,
    kind: Disturbance,
    rate: f64,
    window_seconds: f64,
    quiet: Vec<Window>,
    disturbed: Vec<Window>,
}

struct Subject {
    server: Server,
    rate: f64,
    task: Task,
}

/// Runs the command. False if Naxos misses a limit or one of its puts failed.
pub fn run(args: Args) -> Result<bool> {
    args.windows.check()?;
    ensure!(
        args.servers.iter().all(|server| server.stores()),
        "--servers takes only naxos and etcd here, because the others keep no keys"
    );
    let programs = args.programs.clone().resolve(&args.servers)?;
    let subjects: Vec<Subject> =
        args.servers.iter().map(|&server| args.subject(&programs, server)).collect::<Result<_>>()?;
    let mut outcomes = Vec::new();
    for &kind in &args.kinds {
        outcomes.extend(args.run_kind(kind, &subjects)?);
    }
    print(&outcomes);
    write_json(args.json.as_deref(), &outcomes)?;
    Ok(outcomes.iter().filter(|outcome| outcome.server == Candidate::Naxos).all(|outcome| outcome.held(&outcomes)))
}

impl Args {
    /// Starts a server and finds its rate.
    fn subject(&self, programs: &Programs, candidate: Candidate) -> Result<Subject> {
        let server = Server::start(programs, candidate)?;
        let task = Task::puts("disturb/", 10_000, 256);
        let rate = self.windows.rate(vec![server.endpoint().clone()], &task).with_context(|| candidate.to_string())?;
        Ok(Subject { server, rate, task })
    }

    fn plan(&self, subject: &Subject, rate: Option<f64>, duration: Duration) -> Plan {
        self.windows.plan(vec![subject.server.endpoint().clone()], &subject.task, rate, duration)
    }

    fn run_kind(&self, kind: Disturbance, subjects: &[Subject]) -> Result<Vec<Outcome>> {
        let outcome = |subject: &Subject| Outcome {
            server: subject.server.candidate(),
            kind,
            rate: subject.rate,
            window_seconds: self.windows.length.as_secs_f64(),
            quiet: Vec::new(),
            disturbed: Vec::new(),
        };
        let mut outcomes: Vec<Outcome> = subjects.iter().map(outcome).collect();
        if kind == Disturbance::CatchUp {
            for subject in subjects {
                self.fall_behind(subject)?;
            }
        }
        if kind == Disturbance::Lists {
            for subject in subjects {
                lists::prepare(subject.server.endpoint())?;
            }
        }
        for window in 0..self.windows.count {
            for (subject, outcome) in subjects.iter().zip(&mut outcomes) {
                outcome.quiet.push(self.window(subject, None)?);
                outcome.disturbed.push(self.window(subject, Some(kind))?);
                let (quiet, disturbed) = (&outcome.quiet[window], &outcome.disturbed[window]);
                eprintln!(
                    "{kind} window {}: {} p99 {:.0} us, disturbed {:.0} us",
                    window + 1,
                    outcome.server,
                    quiet.p99_us,
                    disturbed.p99_us
                );
            }
        }
        Ok(outcomes)
    }

    /// Writes until the history is as long as the backlog of the watcher.
    fn fall_behind(&self, subject: &Subject) -> Result<()> {
        let runtime = pace::runtime()?;
        while runtime.block_on(subject.server.revision())? <= self.backlog {
            eprintln!("{}: making history", subject.server.candidate());
            measure(self.plan(subject, None, CALIBRATION), &[])?;
        }
        Ok(())
    }

    fn window(&self, subject: &Subject, kind: Option<Disturbance>) -> Result<Window> {
        let running = Running::start(self.plan(subject, Some(subject.rate), self.windows.length))?;
        let times = running.window();
        let deeds = kind.map(|kind| {
            pace::sleep(times.start.saturating_duration_since(pace::now()));
            let disturbing = disturb(kind, &subject.server, &subject.task.keys, self.backlog, times.end);
            pace::runtime()?.block_on(disturbing).with_context(|| format!("{kind} on {}", subject.server.candidate()))
        });
        let tally = running.join()?;
        Ok(Window {
            p50_us: tally.calls.value_at_quantile(0.5) as f64,
            p99_us: tally.calls.value_at_quantile(0.99) as f64,
            errors: tally.errors,
            deeds: deeds.transpose()?,
        })
    }
}

impl Outcome {
    fn median_of(windows: &[Window], of: impl Fn(&Window) -> f64) -> f64 {
        median(&mut windows.iter().map(of).collect::<Vec<_>>())
    }

    fn p99(windows: &[Window]) -> f64 {
        Self::median_of(windows, |window| window.p99_us)
    }

    fn p99_ratio(&self) -> f64 {
        Self::p99(&self.disturbed) / Self::p99(&self.quiet)
    }

    /// The highest allowed p99 during the disturbance, in microseconds. `None` if the limit is etcd's p99 and etcd was
    /// not measured.
    fn p99_us_max(&self, all: &[Outcome]) -> Option<f64> {
        match self.kind.p99_ratio_max() {
            Some(ratio) => Some(ratio * Self::p99(&self.quiet)),
            None => {
                let etcds = all.iter().find(|other| other.server == Candidate::Etcd && other.kind == self.kind);
                etcds.map(|etcds| Self::p99(&etcds.disturbed))
            }
        }
    }

    fn errors(&self) -> u64 {
        self.quiet.iter().chain(&self.disturbed).map(|window| window.errors).sum()
    }

    /// Number of events that the watchers received in a second: the median over the disturbed windows. `None` if the
    /// disturbance was not catching up.
    fn events_per_second(&self) -> Option<f64> {
        let events = |window: &Window| window.deeds.as_ref().map_or(0.0, |deeds| deeds.events as f64);
        (self.kind == Disturbance::CatchUp).then(|| Self::median_of(&self.disturbed, events) / self.window_seconds)
    }

    /// Whether no put failed and the limits are met. Catching up has one more limit: the watcher must receive events
    /// faster than the clients put, because otherwise it would never catch up.
    fn held(&self, all: &[Outcome]) -> bool {
        let gains = self.events_per_second().is_none_or(|events| events > self.rate);
        let is_short = self.p99_us_max(all).is_none_or(|max| Self::p99(&self.disturbed) <= max);
        gains && is_short && self.errors() == 0
    }

    /// How many times the disturbance was completed in all windows together, and the median time of one in seconds.
    fn deeds(&self) -> (u32, f64) {
        let deeds = self.disturbed.iter().filter_map(|window| window.deeds.as_ref());
        let (mut finished, mut seconds) = (0, Vec::new());
        for deed in deeds {
            finished += deed.finished;
            seconds.extend(&deed.seconds);
        }
        (finished, median(&mut seconds))
    }
}

fn print(outcomes: &[Outcome]) {
    let mut table = Table::new(&[
        "disturbance",
        "server",
        "puts/s",
        "quiet p50 us",
        "quiet p99 us",
        "disturbed p50 us",
        "disturbed p99 us",
        "p99 ratio",
        "limit",
        "verdict",
        "times done",
        "median s",
        "events/s",
        "errors",
    ]);
    for outcome in outcomes {
        let figure = |windows, of: fn(&Window) -> f64| format!("{:.0}", Outcome::median_of(windows, of));
        let (finished, seconds) = outcome.deeds();
        let judged = outcome.server == Candidate::Naxos;
        table.row(vec![
            outcome.kind.to_string(),
            outcome.server.to_string(),
            format!("{:.0}", outcome.rate),
            figure(&outcome.quiet, |window| window.p50_us),
            figure(&outcome.quiet, |window| window.p99_us),
            figure(&outcome.disturbed, |window| window.p50_us),
            figure(&outcome.disturbed, |window| window.p99_us),
            format!("{:.2} x", outcome.p99_ratio()),
            match outcome.p99_us_max(outcomes) {
                Some(max) if judged => format!("<= {max:.0} us"),
                _ => "-".to_owned(),
            },
            verdict(judged.then(|| outcome.held(outcomes))),
            finished.to_string(),
            if finished > 0 { format!("{seconds:.2}") } else { "-".to_owned() },
            outcome.events_per_second().map_or_else(|| "-".to_owned(), |events| format!("{events:.0}")),
            outcome.errors().to_string(),
        ]);
    }
    print!("{table}");
}

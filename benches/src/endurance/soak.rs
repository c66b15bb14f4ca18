//! `naxos-benches soak`: memory and disk under overwrites and compaction.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::flatness::{self, Flatness};
use crate::load::client::Task;
use crate::load::generator::{Plan, Running, Window};
use crate::load::work::Shape;
use crate::pace;
use crate::report::markdown::Table;
use crate::report::{mebibytes, write_json};
use crate::servers::{Candidate, Programs, Server};

/// Overwrite keys at a fixed rate, compact at fixed intervals, and check that memory and disk use do not grow.
///
/// Each compaction is to the revision that was current at the previous compaction, as kube-apiserver does it. The exit
/// code is 1 if memory or disk use grew, or if a call failed.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    programs: Programs,
    /// The server to test.
    #[arg(long, value_enum, default_value = "naxos")]
    server: Candidate,
    /// Overwrites per second (open loop).
    #[arg(long, default_value_t = 5000.0)]
    rate: f64,
    /// Length of the run.
    #[arg(long, default_value = "10m", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Time between compactions.
    #[arg(long, default_value = "50s", value_parser = humantime::parse_duration)]
    compact_every: Duration,
    /// Time between samples.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    sample_every: Duration,
    /// Number of keys that are overwritten.
    #[arg(long, default_value_t = 10_000)]
    keys: u64,
    /// Size of a value in bytes.
    #[arg(long, default_value_t = 256)]
    value_bytes: usize,
    /// Write the figures to this file as JSON too.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Sample {
    seconds: f64,
    resident_bytes: u64,
    data_bytes: u64,
    compactions: u32,
}

#[derive(Debug, Serialize)]
struct Report {
    server: Candidate,
    rate: f64,
    samples: Vec<Sample>,
    memory: Option<Flatness>,
    disk: Option<Flatness>,
    p50_us: u64,
    p99_us: u64,
    max_us: u64,
    errors: u64,
    first_error: Option<String>,
}

/// Runs the command. False if memory or disk use grew, or a call failed.
pub fn run(args: &Args) -> Result<bool> {
    ensure!(args.rate > 0.0 && !args.sample_every.is_zero(), "--rate and --sample-every must be above 0");
    ensure!(args.server.stores(), "--server takes only naxos or etcd here, because the others keep no keys");
    let programs = args.programs.clone().resolve(&[args.server])?;
    let server = Server::start(&programs, args.server)?;
    let running = Running::start(args.plan(&server))?;
    let samples = watch_over(args, &server, running.window())?;
    let tally = running.join()?;
    let series = |of: fn(&Sample) -> u64| flatness::judge(&samples.iter().map(of).collect::<Vec<_>>());
    let report = Report {
        server: args.server,
        rate: args.rate,
        memory: series(|sample| sample.resident_bytes),
        disk: series(|sample| sample.data_bytes),
        p50_us: tally.calls.value_at_quantile(0.5),
        p99_us: tally.calls.value_at_quantile(0.99),
        max_us: tally.calls.max(),
        errors: tally.errors,
        first_error: tally.first_error,
        samples,
    };
    print(&report);
    write_json(args.json.as_deref(), &report)?;
    let flat = [report.memory, report.disk].iter().all(|series| series.is_none_or(|series| series.flat));
    Ok(flat && report.errors == 0)
}

impl Args {
    fn plan(&self, server: &Server) -> Plan {
        Plan {
            endpoints: vec![server.endpoint().clone()],
            task: Task::puts("soak/", self.keys, self.value_bytes),
            shape: Shape::of(64),
            rate: Some(self.rate),
            warm_up: Duration::ZERO,
            duration: self.duration,
            threads: 1,
        }
    }
}

/// Compacts and samples until the load ends.
fn watch_over(args: &Args, server: &Server, window: Window) -> Result<Vec<Sample>> {
    let runtime = pace::runtime()?;
    let stat = server.stat()?;
    let mut next_compaction = window.start + args.compact_every;
    let (mut samples, mut compactions) = (Vec::new(), 0);
    let mut previous = runtime.block_on(server.revision())?;
    let mut next_sample = window.start + args.sample_every;
    while next_sample < window.end {
        pace::sleep(next_sample.min(next_compaction).saturating_duration_since(pace::now()));
        if pace::now() >= next_compaction {
            let current = runtime.block_on(server.revision())?;
            runtime.block_on(server.compact(previous))?;
            (previous, compactions) = (current, compactions + 1);
            next_compaction += args.compact_every;
        }
        if pace::now() >= next_sample {
            samples.push(Sample {
                seconds: (pace::now() - window.start).as_secs_f64(),
                resident_bytes: stat.resident_bytes()?,
                data_bytes: server.data_bytes()?,
                compactions,
            });
            next_sample += args.sample_every;
        }
    }
    Ok(samples)
}

fn print(report: &Report) {
    let mut table = Table::new(&["seconds", "RSS MiB", "data MiB", "compactions"]);
    for sample in &report.samples {
        table.row(vec![
            format!("{:.0}", sample.seconds),
            mebibytes(sample.resident_bytes),
            mebibytes(sample.data_bytes),
            sample.compactions.to_string(),
        ]);
    }
    println!("{table}");
    let mut table = Table::new(&["what", "second quarter, MiB", "last quarter, MiB", "verdict"]);
    for (what, series) in [("memory", report.memory), ("disk", report.disk)] {
        let Some(series) = series else { continue };
        let verdict = if series.flat { "flat" } else { "GROWS" }.to_owned();
        table.row(vec![what.to_owned(), mebibytes(series.early_bytes), mebibytes(series.late_bytes), verdict]);
    }
    println!("{table}");
    println!(
        "{}: {:.0} puts/s, p50 {} us, p99 {} us, longest {} us, {} errors{}",
        report.server,
        report.rate,
        report.p50_us,
        report.p99_us,
        report.max_us,
        report.errors,
        report.first_error.as_ref().map_or(String::new(), |first| format!(" (first: {first})"))
    );
}

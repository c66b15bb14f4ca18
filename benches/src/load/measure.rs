//! Runs the generator, and measures the CPU time and memory of the servers meanwhile.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::generator::{Plan, Running};
use super::tally::Tally;
use super::work::{Shape, Work};
use crate::pace;
use crate::servers::machine::Busy;
use crate::servers::proc_stat::ProcStat;

/// The results of one run. Latencies are in microseconds. For [`Work::Watch`] the operations are events, and there is
/// one latency for each watch answer: the age of its oldest event when the answer arrives.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// The kind of work.
    pub work: Work,
    /// The numbers of clients, connections and watchers.
    pub shape: Shape,
    /// The rate of the open loop, in operations per second. `None` for the closed loop.
    pub rate: Option<f64>,
    /// Length of the window in seconds.
    pub seconds: f64,
    /// Number of operations that did not fail.
    pub operations: u64,
    /// Number of operations per second.
    pub per_second: f64,
    /// Median latency.
    pub p50_us: u64,
    /// 99th percentile of the latency.
    pub p99_us: u64,
    /// 99.9th percentile of the latency.
    pub p999_us: u64,
    /// The longest latency.
    pub max_us: u64,
    /// The CPU time of all servers per operation in microseconds, if their processes are known.
    pub cpu_us: Option<f64>,
    /// Number of cores that other programs on the machine kept busy, on average. A high number makes the other figures
    /// unreliable.
    pub other_cores: f64,
    /// The resident memory of all servers at the end, in bytes.
    pub rss_bytes: Option<u64>,
    /// Number of puts per second, of all writers together. `None` except for [`Work::Watch`].
    pub puts_per_second: Option<f64>,
    /// Number of Txns that did not put because the key's mod revision had changed.
    pub conflicts: u64,
    /// Number of failed operations.
    pub errors: u64,
    /// The message of the first failure.
    pub first_error: Option<String>,
}

/// Runs `plan`. `servers` are the processes whose CPU time is measured.
pub fn measure(plan: Plan, servers: &[ProcStat]) -> Result<Measured> {
    let (work, shape, rate) = (plan.task.work, plan.shape, plan.rate);
    let running = Running::start(plan)?;
    let window = running.window();
    pace::sleep(window.start.saturating_duration_since(pace::now()));
    let before = Busy::read(servers)?;
    pace::sleep(window.end.saturating_duration_since(pace::now()));
    let after = Busy::read(servers)?;
    let resident = servers.iter().map(ProcStat::resident_bytes).sum::<Result<u64>>()?;
    let rss_bytes = Some(resident).filter(|_| !servers.is_empty());
    let tally = running.join()?;
    let used = Used { servers: before.servers_until(&after), others: before.others_until(&after), rss_bytes };
    Ok(summary(&tally, (work, shape, rate), window.end - window.start, &used))
}

/// CPU time that the servers and the other programs used in the window, and the servers' resident memory at its end.
struct Used {
    servers: Option<Duration>,
    others: Duration,
    rss_bytes: Option<u64>,
}

fn summary(tally: &Tally, (work, shape, rate): (Work, Shape, Option<f64>), window: Duration, used: &Used) -> Measured {
    let watch = work == Work::Watch;
    let seconds = window.as_secs_f64();
    let operations = if watch { tally.events } else { tally.calls.len() };
    let latencies = if watch { &tally.deliveries } else { &tally.calls };
    Measured {
        work,
        shape,
        rate,
        seconds,
        operations,
        per_second: operations as f64 / seconds,
        p50_us: latencies.value_at_quantile(0.5),
        p99_us: latencies.value_at_quantile(0.99),
        p999_us: latencies.value_at_quantile(0.999),
        max_us: latencies.max(),
        cpu_us: used.servers.filter(|_| operations > 0).map(|cpu| cpu.as_secs_f64() * 1e6 / operations as f64),
        other_cores: used.others.as_secs_f64() / seconds,
        rss_bytes: used.rss_bytes,
        puts_per_second: watch.then(|| tally.calls.len() as f64 / seconds),
        conflicts: tally.conflicts,
        errors: tally.errors,
        first_error: tally.first_error.clone(),
    }
}

//! [`Windows`]: puts in an open loop, in windows with and without a disturbance.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::client::Task;
use super::connection::Endpoint;
use super::generator::Plan;
use super::measure::measure;
use super::work::Shape;

/// Length of the closed-loop run that finds the rate of the puts.
pub const CALIBRATION: Duration = Duration::from_secs(5);

/// How long the load runs before a window begins.
const WARM_UP: Duration = Duration::from_secs(1);

/// The flags of a command that measures puts in windows.
#[derive(Debug, Clone, clap::Args)]
pub struct Windows {
    /// Number of windows with a disturbance, and of windows without it.
    #[arg(long = "windows", default_value_t = 5)]
    pub count: usize,
    /// Length of a window.
    #[arg(long = "window", default_value = "10s", value_parser = humantime::parse_duration)]
    pub length: Duration,
    /// Number of clients that put.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Number of puts per second, of all clients together [default: half the rate that a closed loop reaches].
    #[arg(long)]
    rate: Option<f64>,
}

impl Windows {
    /// Refuses numbers with which nothing can be measured.
    pub fn check(&self) -> Result<()> {
        ensure!(self.count > 0 && self.clients > 0, "--windows and --clients must be above 0");
        ensure!(self.rate.is_none_or(|rate| rate > 0.0), "--rate must be above 0");
        Ok(())
    }

    /// The plan of a load that puts through `endpoints` for `duration`. The load runs at `rate`, or in a closed loop if
    /// there is no rate.
    pub fn plan(&self, endpoints: Vec<Endpoint>, task: &Task, rate: Option<f64>, duration: Duration) -> Plan {
        Plan {
            endpoints,
            task: task.clone(),
            shape: Shape::of(self.clients),
            rate,
            warm_up: WARM_UP,
            duration,
            threads: super::cores(),
        }
    }

    /// The rate of the puts: the given one, or else half of what a closed loop reaches now.
    pub fn rate(&self, endpoints: Vec<Endpoint>, task: &Task) -> Result<f64> {
        if let Some(rate) = self.rate {
            return Ok(rate);
        }
        let closed = measure(self.plan(endpoints, task, None, CALIBRATION), &[])?;
        ensure!(closed.operations > 0, "no put is answered: {}", closed.first_error.unwrap_or_default());
        eprintln!("closed loop {:.0}/s, open loop {:.0}/s", closed.per_second, closed.per_second / 2.0);
        Ok(closed.per_second / 2.0)
    }
}

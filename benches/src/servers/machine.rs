//! How busy the machine is with work other than the measured one.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::proc_stat::ProcStat;

/// In `/proc/stat`'s first line, the times that are not busy: idle and iowait (proc(5)).
const IDLE_AND_IOWAIT: std::ops::RangeInclusive<usize> = 3..=4;

/// Only the first eight fields count, because user time includes the guest times already.
const TIMES: usize = 8;

/// CPU time used so far by the whole machine, by the servers that are measured and by this program.
#[derive(Debug, Clone, Copy)]
pub struct Busy {
    machine: Duration,
    /// `None` if no server is known.
    servers: Option<Duration>,
    own: Duration,
}

impl Busy {
    /// Reads all three times. Those of the servers are added up.
    pub fn read(servers: &[ProcStat]) -> Result<Self> {
        let used = servers.iter().map(ProcStat::cpu).sum::<Result<Duration>>()?;
        Ok(Self {
            machine: machine()?,
            servers: Some(used).filter(|_| !servers.is_empty()),
            own: ProcStat::of(std::process::id())?.cpu()?,
        })
    }

    /// The CPU time of all servers from `self` to `later`.
    pub fn servers_until(&self, later: &Self) -> Option<Duration> {
        Some(later.servers?.saturating_sub(self.servers?))
    }

    /// CPU time from `self` to `later` that neither the servers nor this program used.
    pub fn others_until(&self, later: &Self) -> Duration {
        let machine = later.machine.saturating_sub(self.machine);
        let servers = self.servers_until(later).unwrap_or_default();
        machine.saturating_sub(servers).saturating_sub(later.own.saturating_sub(self.own))
    }
}

fn machine() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let busy = line.split_whitespace().skip(1).take(TIMES).enumerate().filter(|(at, _)| !IDLE_AND_IOWAIT.contains(at));
    let ticks: u64 = busy.map(|(_, ticks)| ticks.parse::<u64>()).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

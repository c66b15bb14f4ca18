//! CPU time and memory of a process, from `/proc`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// The positions of user and system time, counted from the field after the program's name (proc(5): 14 and 15).
const UTIME_AND_STIME: std::ops::RangeInclusive<usize> = 11..=12;

/// A process with all its threads.
#[derive(Debug, Clone)]
pub struct ProcStat {
    folder: PathBuf,
}

impl ProcStat {
    /// The process `id`.
    pub fn of(id: u32) -> Result<Self> {
        let folder = PathBuf::from(format!("/proc/{id}"));
        ensure!(folder.is_dir(), "there is no process {id}");
        Ok(Self { folder })
    }

    /// User and system time so far of all its threads, including those that have ended; exact to 10 ms.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = self.read("stat")?;
        // The second field holds the program's name in brackets and may contain blanks.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let times = fields.get(UTIME_AND_STIME).context("/proc/PID/stat is cut short")?;
        let ticks: u64 = times.iter().map(|ticks| ticks.parse::<u64>()).sum::<Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> Result<u64> {
        let statm = self.read("statm")?;
        let pages: u64 = statm.split(' ').nth(1).context("/proc/PID/statm is cut short")?.parse()?;
        Ok(pages * rustix::param::page_size() as u64)
    }

    fn read(&self, file: &str) -> Result<String> {
        let path = self.folder.join(file);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }
}

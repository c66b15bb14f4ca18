//! [`SlowSyncs`]: makes the syncs of a running process take longer.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::tools;
use crate::pace;

/// The threads of Naxos that strace follows. All threads that sync often are among them. The others are left alone,
/// because every system call of a thread that strace follows takes a little longer.
const SYNCING: [&str; 5] = ["commit", "checkpoint", "journal-zero", "meta", "snapshots"];

/// How long strace may take until it follows all threads, and how long until it follows none of them.
const LIMIT: Duration = Duration::from_secs(5);

/// Time between two checks whether strace follows all threads, or none of them.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// As long as this exists, every fsync and fdatasync by the threads `SYNCING` of a Naxos process takes longer. The
/// program itself is not changed for that: strace delays these threads when they return from such a call.
#[derive(Debug)]
pub struct SlowSyncs {
    process: u32,
    strace: Child,
}

impl SlowSyncs {
    /// Checks that this machine can make syncs slower.
    pub fn need(what: &str) -> Result<()> {
        tools::need(what, &["strace"])
    }

    /// From now on each sync of the process `process` takes `delay` longer.
    pub fn start(process: u32, delay: Duration) -> Result<Self> {
        let threads = threads(process)?;
        let mut command = Command::new("strace");
        command.args(["-qqq", "-e", "trace=fsync,fdatasync", "-e", "signal=none", "-o", "/dev/null"]);
        command.args(["-e", &format!("inject=fsync,fdatasync:delay_exit={}", delay.as_micros())]);
        for thread in &threads {
            command.args(["-p", &thread.to_string()]);
        }
        let strace = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut slow = Self { process, strace: strace.context("strace")? };
        slow.wait_until(|slow| threads.iter().all(|thread| slow.follows(*thread)), "follow the threads that sync")?;
        Ok(slow)
    }

    /// From now on the syncs of the process take as long as before.
    pub fn stop(mut self) -> Result<()> {
        self.let_go()
    }

    fn let_go(&mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.strace), Signal::TERM).context("end strace")?;
        self.wait_until(|slow| slow.strace.try_wait().is_ok_and(|status| status.is_some()), "let go of the process")
    }

    fn follows(&self, thread: u32) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/task/{thread}/status", self.process)).unwrap_or_default();
        status.lines().any(|line| line == format!("TracerPid:\t{}", self.strace.id()))
    }

    fn wait_until(&mut self, mut is_so: impl FnMut(&mut Self) -> bool, what: &str) -> Result<()> {
        let end = pace::now() + LIMIT;
        while !is_so(self) {
            ensure!(pace::now() < end, "strace does not {what}; may this program trace others (ptrace)?");
            pace::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}

impl Drop for SlowSyncs {
    fn drop(&mut self) {
        if self.strace.try_wait().is_ok_and(|status| status.is_none()) {
            // If this fails, strace ends when the process that it follows is killed with its cluster.
            let _ = self.let_go();
        }
    }
}

/// The threads of the process that make syncs.
fn threads(process: u32) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for task in fs::read_dir(format!("/proc/{process}/task")).with_context(|| format!("process {process}"))? {
        let task = task?;
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if SYNCING.contains(&name.trim_end()) {
            found.push(task.file_name().to_string_lossy().parse().context("the id of a thread")?);
        }
    }
    ensure!(found.len() >= SYNCING.len(), "process {process} lacks one of the threads {}", SYNCING.join(", "));
    Ok(found)
}

//! Runs each seed of a test in a process of its own, so that a replay does the same as the run that failed.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// The environment variable with the only seed that is to be run.
pub(crate) const SEED: &str = "NAXOS_SIM_SEED";
/// At most this many lines of a failed process are shown.
const LINES_MAX: usize = 60;

/// The name of a test, as the test program knows it.
pub(crate) struct TestName(String);

impl TestName {
    /// The test that runs on this thread. The test harness names the thread after it.
    pub(crate) fn of_this_thread() -> Option<Self> {
        let name = std::thread::current().name()?.to_owned();
        (name != "main").then_some(Self(name))
    }
}

/// Runs the seeds from 1 to `count`, one process for each, as many at a time as the machine has processors. Stops at the
/// first one that fails.
pub(crate) fn run_children(test: &TestName, count: u64) -> Result<(), String> {
    let (next, failed) = (AtomicU64::new(1), Mutex::new(None));
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while failed.lock().is_none() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > count {
                        return;
                    }
                    if let Err(why) = run_child(test, seed) {
                        failed.lock().get_or_insert(why);
                    }
                }
            });
        }
    });
    failed.into_inner().map_or(Ok(()), Err)
}

fn run_child(TestName(test): &TestName, seed: u64) -> Result<(), String> {
    let program =
        std::env::current_exe().map_err(|error| format!("naxos-sim: the test program is not known: {error}"))?;
    let command = || {
        let mut command = Command::new(&program);
        command.args([test, "--exact", "--nocapture", "--include-ignored"]).env(SEED, seed.to_string());
        command
    };
    let output =
        command().output().map_err(|error| format!("naxos-sim: {} does not start: {error}", program.display()))?;
    if !output.status.success() {
        let replay = format!("{SEED}={seed} cargo test {test} -- --exact --nocapture");
        return Err(format!("{}\n\nto replay it: {replay}", what_it_says(&output)));
    }
    let done = format!("naxos-sim: seed {seed}: ");
    if !String::from_utf8_lossy(&output.stdout).contains(&done) {
        return Err(format!(
            "naxos-sim: the process for seed {seed} did not run the test {test}: {}",
            what_it_says(&output)
        ));
    }
    Ok(())
}

/// The text about the broken rule. Without one, the last lines of the process.
fn what_it_says(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    if let Some(begin) = text.find("naxos-sim: seed ") {
        let end = text[begin..].find("note: run with").map_or(text.len(), |length| begin + length);
        return text[begin..end].trim_end().to_owned();
    }
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES_MAX)..].join("\n")
}

//! One server process as an operator sees it: command line, log lines, signals, CPU time and memory.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rustix::process::{Pid, Signal, kill_process};

use crate::pace;

/// How long a server may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Everything that a process has written to stdout and stderr, line by line.
#[derive(Debug, Default)]
pub struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Log {
    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().clone()
    }

    /// Lines so far that contain `words`.
    pub fn matching(&self, words: &str) -> Vec<String> {
        self.lines.lock().iter().filter(|line| line.contains(words)).cloned().collect()
    }

    /// The last lines, for a message about a failure.
    pub fn tail(&self) -> String {
        let lines = self.lines.lock();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Number of lines so far.
    pub fn length(&self) -> usize {
        self.lines.lock().len()
    }

    fn push(&self, line: String) {
        self.lines.lock().push(line);
        self.grown.notify_all();
    }

    /// Waits until a line at or after `from` contains `words`. Returns whether one did within `limit`.
    pub fn wait_for(&self, from: usize, words: &str, limit: Duration) -> bool {
        let end = pace::now() + limit;
        let mut lines = self.lines.lock();
        loop {
            if lines.iter().skip(from).any(|line| line.contains(words)) {
                return true;
            }
            if self.grown.wait_until(&mut lines, end).timed_out() {
                return false;
            }
        }
    }
}

/// A running process. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: Arc<Log>,
    name: String,
}

impl Process {
    /// Starts `command`. Its output is always read, so that it never blocks.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(name: &str, mut command: Command) -> Self {
        let log = Arc::new(Log::default());
        Self::start_with_log(name, &mut command, log)
    }

    /// Like [`Process::start`], but appends the output to an existing log.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start_with_log(name: &str, command: &mut Command, log: Arc<Log>) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("start {name}: {e}"));
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        drain(name, stdout, Arc::clone(&log));
        drain(name, stderr, Arc::clone(&log));
        Process { child, log, name: name.to_owned() }
    }

    /// The output of the process. A log that was passed to [`Process::start_with_log`] also has its earlier lines.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process with `kill -9` and waits until it is gone.
    pub fn kill(&mut self) {
        // Both calls fail only if the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If the process is gone.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(id, signal).unwrap_or_else(|e| panic!("signal {}: {e}", self.name));
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Panics
    /// If the process is gone, or does not end within 30 s.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait(STOP_LIMIT)
            .unwrap_or_else(|| panic!("{} does not end after SIGTERM:\n{}", self.name, self.log.tail()))
    }

    /// Waits for the end of the process. Returns its exit status, or `None` if it does not end within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        pace::wait_for(limit, || self.child.try_wait().expect("the child can be waited for"))
    }

    /// User and system time used so far.
    ///
    /// # Panics
    /// If the process is gone.
    pub fn cpu(&self) -> Duration {
        let stat = self.proc_file("stat");
        // The second field is the program's name in parentheses, and the name may contain spaces. So start after it.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = fields[11..=12].iter().map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// Resident memory in bytes.
    ///
    /// # Panics
    /// If the process is gone.
    pub fn resident_bytes(&self) -> u64 {
        let pages: u64 = self.proc_file("statm").split(' ').nth(1).expect("a field").parse().expect("pages");
        pages * rustix::param::page_size() as u64
    }

    fn proc_file(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.id())).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn drain(name: &str, output: impl Read + Send + 'static, log: Arc<Log>) {
    pace::thread(&format!("{name}-log"), move || {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            log.push(String::from_utf8_lossy(&line).trim_end().to_owned());
            line.clear();
        }
    });
}

/// The exit status of a program, and its output.
#[derive(Debug, Clone)]
pub struct Ended {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command to its end. `input` goes to its stdin.
///
/// # Panics
/// If it cannot be started.
pub fn finish(mut command: Command, input: &str) -> Ended {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_owned();
    // If a program ends without reading, writing fails. The exit status is more useful than that error.
    let writer = pace::thread("stdin", move || stdin.write_all(input.as_bytes()).is_ok());
    let done = child.wait_with_output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let _ = writer.join();
    Ended {
        success: done.status.success(),
        stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

/// Runs a program to its end and returns its stdout. `input` goes to its stdin.
///
/// # Errors
/// The stdout and the stderr of the program, if it fails.
pub fn output(program: &Path, arguments: &[impl AsRef<OsStr>], input: &str) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments);
    let ended = finish(command, input);
    if ended.success { Ok(ended.stdout) } else { Err(ended.stdout + &ended.stderr) }
}

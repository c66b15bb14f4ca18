//! One server process, as an operator sees it: command line, log lines, signals, CPU and memory.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rustix::process::{Pid, Signal, kill_process};

use crate::pace;

/// How long a server may take until it serves.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a server may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// The words that etcd logs once it serves.
const SERVES: &str = "ready to serve client requests";

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

    fn push(&self, line: String) {
        self.lines.lock().push(line);
        self.grown.notify_all();
    }

    /// True as soon as a line at or after `from` contains `words`.
    fn wait_for(&self, from: usize, words: &str, limit: Duration) -> bool {
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

/// A running process; dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: Arc<Log>,
    name: String,
}

impl Process {
    /// Starts `command` and reads its output without ever blocking it.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(name: &str, mut command: Command) -> Self {
        let log = Arc::new(Log::default());
        Self::start_with_log(name, &mut command, log)
    }

    /// The same, with the output appended to an existing log.
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

    /// What it has written.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        // Both calls fail only if it is gone already.
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

    /// SIGTERM, and waits for the end.
    ///
    /// # Panics
    /// If it does not end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait(STOP_LIMIT)
            .unwrap_or_else(|| panic!("{} does not end after SIGTERM:\n{}", self.name, self.log.tail()))
    }

    /// Its exit status, if it ends within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        pace::wait_for(limit, || self.child.try_wait().expect("the child can be waited for"))
    }

    /// User and system time so far.
    ///
    /// # Panics
    /// If the process is gone.
    pub fn cpu(&self) -> Duration {
        let stat = self.proc_file("stat");
        // The second field holds the program's name in brackets and may contain blanks.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = fields[11..=12].iter().map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// Resident memory.
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

/// An etcd-compatible server on free loopback ports; its data outlives a kill, not the value.
#[derive(Debug)]
pub struct EtcdServer {
    executable: PathBuf,
    arguments: Vec<OsString>,
    client_url: String,
    data: PathBuf,
    _folder: Option<tempfile::TempDir>,
    log: Arc<Log>,
    process: Option<Process>,
}

impl EtcdServer {
    /// Starts the program on a fresh data directory and waits until it serves.
    ///
    /// # Panics
    /// If it does not serve.
    pub fn start(executable: &Path, extra: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let data = folder.path().join("data");
        let mut server = Self::prepare(executable, &data, extra);
        server._folder = Some(folder);
        server.start_again();
        server
    }

    /// The same on a given data directory, not started yet.
    pub fn prepare(executable: &Path, data: &Path, extra: &[&str]) -> Self {
        let [client, peer] = free_ports();
        let client_url = format!("http://127.0.0.1:{client}");
        let peer_url = format!("http://127.0.0.1:{peer}");
        let mut arguments: Vec<OsString> = vec!["--name=n0".into(), "--data-dir".into(), data.into()];
        arguments.extend([
            format!("--listen-client-urls={client_url}").into(),
            format!("--advertise-client-urls={client_url}").into(),
            format!("--listen-peer-urls={peer_url}").into(),
            format!("--initial-advertise-peer-urls={peer_url}").into(),
            format!("--initial-cluster=n0={peer_url}").into(),
        ]);
        arguments.extend(extra.iter().map(OsString::from));
        EtcdServer {
            executable: executable.to_owned(),
            arguments,
            client_url,
            data: data.to_owned(),
            _folder: None,
            log: Arc::new(Log::default()),
            process: None,
        }
    }

    /// `http://127.0.0.1:port`.
    pub fn client_url(&self) -> &str {
        &self.client_url
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Everything that all its processes have logged.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The running process.
    ///
    /// # Panics
    /// Between a kill and the next start.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("the server runs")
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// SIGTERM, and the exit status.
    ///
    /// # Panics
    /// If it does not run, or does not end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.process.take().expect("the server runs").terminate()
    }

    /// The same command line again; returns when it serves.
    ///
    /// # Panics
    /// If it does not serve.
    pub fn start_again(&mut self) {
        if let Err(reason) = self.try_start() {
            panic!("{reason}");
        }
    }

    /// The same, but a server that does not serve is an answer.
    ///
    /// # Errors
    /// The end of its log.
    pub fn try_start(&mut self) -> Result<(), String> {
        let from = self.log.lines.lock().len();
        let mut command = Command::new(&self.executable);
        command.args(&self.arguments);
        let mut process = Process::start_with_log("etcd server", &mut command, Arc::clone(&self.log));
        let end = pace::now() + START_LIMIT;
        while !self.log.wait_for(from, SERVES, Duration::from_millis(100)) {
            if let Some(status) = process.wait(Duration::ZERO) {
                return Err(format!("{} ended: {status}\n{}", self.executable.display(), self.log.tail()));
            }
            if pace::now() >= end {
                return Err(format!("{} does not serve:\n{}", self.executable.display(), self.log.tail()));
            }
        }
        self.process = Some(process);
        Ok(())
    }
}

/// Ports that nothing listened on a moment ago.
///
/// # Panics
/// If the machine has none.
pub fn free_ports<const N: usize>() -> [u16; N] {
    // All are held until all are known, so that they differ.
    let held = std::array::from_fn::<_, N, _>(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    held.map(|listener| listener.local_addr().expect("a bound socket has an address").port())
}

/// Runs a program to its end and returns stdout; `input` goes to stdin.
///
/// # Errors
/// Stderr, if it fails.
pub fn output(program: &Path, arguments: &[impl AsRef<OsStr>], input: &str) -> Result<String, String> {
    use std::io::Write;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("{}: {e}", program.display()))?;
    let written = child.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
    let done = child.wait_with_output().map_err(|e| e.to_string())?;
    if done.status.success() && written.is_ok() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    Err(format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)))
}

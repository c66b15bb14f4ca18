//! One server process that is being measured: a server of one node, or a member of a cluster. Its data outlives a stop
//! of the server, so that it can be started again. The data is removed when the [`Server`] is dropped, unless it is on
//! a disk of its own.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use naxos_proto::etcd::client::etcdserverpb as pb;
use pb::kv_client::KvClient;
use pb::maintenance_client::MaintenanceClient;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::candidate::Candidate;
use super::proc_stat::ProcStat;
use super::program::{CommandLine, Programs};
use super::seat::Seat;
use crate::load::connection::{Connection, Endpoint};
use crate::pace;

/// How long a server may take until it serves.
const SERVE_LIMIT: Duration = Duration::from_secs(120);

/// How long a server may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Time between two checks whether a starting server serves, or whether a stopping one has ended.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// Time limit of one check whether a starting server serves. The check is a get.
const ASK_LIMIT: Duration = Duration::from_secs(1);

/// Bytes of a server's log that a message about its failure shows.
const LOG_TAIL_BYTES: usize = 2000;

/// A running server. Dropping it kills the server. It also removes the server's data, unless the data is on a disk of
/// its own.
#[derive(Debug)]
pub struct Server {
    candidate: Candidate,
    command: CommandLine,
    endpoint: Endpoint,
    folder: TempDir,
    child: Child,
}

impl Server {
    /// Starts `candidate` on an empty data directory and waits until it serves.
    pub fn start(programs: &Programs, candidate: Candidate) -> Result<Self> {
        let mut server = Self::spawn(programs, candidate, &Seat::on_loopback(1)?, 0, None)?;
        server.wait_until_it_serves()?;
        Ok(server)
    }

    /// Starts the member `seats[at]` on an empty data directory, which is below `disk` if that is given. Does not wait,
    /// because a member serves only when a majority of the members runs.
    pub(super) fn spawn(
        programs: &Programs,
        candidate: Candidate,
        seats: &[Seat],
        at: usize,
        disk: Option<&Path>,
    ) -> Result<Self> {
        let parent = programs.data_folder()?;
        fs::create_dir_all(&parent).with_context(|| parent.display().to_string())?;
        let folder = tempfile::Builder::new().prefix(&format!("bench-{candidate}-")).tempdir_in(&parent)?;
        let command = programs.command_line(candidate, disk.unwrap_or(folder.path()), seats, at)?;
        let endpoint = command.address.parse().map_err(anyhow::Error::msg)?;
        let child = spawn(&command, folder.path())?;
        Ok(Self { candidate, command, endpoint, folder, child })
    }

    /// The kind of server.
    pub fn candidate(&self) -> Candidate {
        self.candidate
    }

    /// The endpoint on which it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The id of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// CPU time and memory of its process.
    pub fn stat(&self) -> Result<ProcStat> {
        ProcStat::of(self.child.id())
    }

    /// Disk space in bytes that the server's data and the file with its output take. For servers without a disk of
    /// their own.
    pub fn data_bytes(&self) -> Result<u64> {
        allocated_bytes(self.folder.path())
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).with_context(|| format!("signal {}", self.candidate))
    }

    /// Sends SIGTERM. Returns how long the server took to end, and its exit status.
    pub fn terminate(&mut self) -> Result<(Duration, ExitStatus)> {
        let begun = pace::now();
        self.signal(Signal::TERM)?;
        while begun.elapsed() < STOP_LIMIT {
            if let Some(status) = self.child.try_wait()? {
                return Ok((begun.elapsed(), status));
            }
            pace::sleep(ASK_AGAIN);
        }
        bail!("{} does not end after SIGTERM: {}", self.candidate, self.log_tail())
    }

    /// Kills the server with `kill -9` and waits until it is gone.
    pub fn kill(&mut self) {
        // Both calls fail only if the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Removes the data of a server that does not run: its disk is lost. For servers without a disk of their own.
    pub fn wipe(&self) -> Result<()> {
        Ok(fs::remove_dir_all(self.folder.path().join("data"))?)
    }

    /// Starts the server again on its data. Returns the time from exec to the first answered linearizable get.
    pub fn restart(&mut self) -> Result<Duration> {
        self.restart_within(SERVE_LIMIT)
    }

    /// As [`Self::restart`], for a server that may take this long.
    pub fn restart_within(&mut self, limit: Duration) -> Result<Duration> {
        let begun = pace::now();
        self.child = spawn(&self.command, self.folder.path())?;
        self.wait_until_it_serves_within(limit)?;
        Ok(begun.elapsed())
    }

    /// Compacts up to `revision` and waits until the old revisions are removed.
    pub async fn compact(&self, revision: i64) -> Result<()> {
        let connection = Connection::open(&self.endpoint).await?;
        let mut kv = KvClient::with_origin(connection, self.endpoint.origin());
        kv.compact(pb::CompactionRequest { revision, physical: true }).await.context("compact")?;
        Ok(())
    }

    /// Defragments its store.
    pub async fn defragment(&self) -> Result<()> {
        let connection = Connection::open(&self.endpoint).await?;
        let mut maintenance = MaintenanceClient::with_origin(connection, self.endpoint.origin());
        maintenance.defragment(pb::DefragmentRequest {}).await.context("defragment")?;
        Ok(())
    }

    /// The current revision.
    pub async fn revision(&self) -> Result<i64> {
        let connection = Connection::open(&self.endpoint).await?;
        let mut kv = KvClient::with_origin(connection, self.endpoint.origin());
        let answer = kv.range(probe()).await.context("get")?.into_inner();
        Ok(answer.header.context("an answer without a header")?.revision)
    }

    /// Waits until it answers a linearizable get.
    pub(super) fn wait_until_it_serves(&mut self) -> Result<()> {
        self.wait_until_it_serves_within(SERVE_LIMIT)
    }

    fn wait_until_it_serves_within(&mut self, limit: Duration) -> Result<()> {
        let runtime = pace::runtime()?;
        let deadline: Instant = pace::now() + limit;
        while pace::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at its start ({status}): {}", self.candidate, self.log_tail());
            }
            if runtime.block_on(pace::within(ASK_LIMIT, self.revision())).is_some_and(|answer| answer.is_ok()) {
                return Ok(());
            }
            pace::sleep(ASK_AGAIN);
        }
        bail!("{} does not serve after {limit:?}: {}", self.candidate, self.log_tail())
    }

    fn log_tail(&self) -> String {
        let text = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A linearizable get of a key that need not exist.
fn probe() -> pb::RangeRequest {
    pb::RangeRequest { key: bytes::Bytes::from_static(b"naxos-benches"), ..Default::default() }
}

fn spawn(command: &CommandLine, folder: &Path) -> Result<Child> {
    let log = File::options().create(true).append(true).open(folder.join("log"))?;
    Command::new(&command.executable)
        .args(&command.arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| command.executable.display().to_string())
}

fn allocated_bytes(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Files may disappear while the server runs.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { allocated_bytes(&entry.path()).unwrap_or(0) } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}

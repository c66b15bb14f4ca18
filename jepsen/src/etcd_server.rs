//! A server that speaks etcd's API: etcd or Naxos. It is started with etcd's flags, killed, and started again.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use naxos_benches::servers::ports;

use crate::pace;
use crate::process::{Log, Process};

/// How long a server may take until it serves.
const START_LIMIT: Duration = Duration::from_secs(60);
/// The message that etcd logs when it serves.
const SERVES: &str = "ready to serve client requests";
/// The message that a log server or a sequencer logs when it has started.
const TAKES_PART: &str = "ready to take part in the cluster";

/// An etcd-compatible server on loopback ports. Its data survives a kill. If [`EtcdServer::start`] made the data
/// directory, the directory is removed when this value is dropped.
#[derive(Debug)]
pub struct EtcdServer {
    executable: PathBuf,
    arguments: Vec<OsString>,
    client_url: String,
    /// The message that says that it has started.
    started: &'static str,
    log: Arc<Log>,
    /// Dropped before the folder, so that no running server still writes there.
    process: Option<Process>,
    _folder: Option<tempfile::TempDir>,
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

    /// A server with a given data directory, on free ports. It is not started yet.
    pub fn prepare(executable: &Path, data: &Path, extra: &[&str]) -> Self {
        let [client, peer] = free_ports();
        let peer_url = format!("http://127.0.0.1:{peer}");
        Self::with_data(executable, data, ("n0", client, &peer_url), &format!("n0={peer_url}"), extra)
    }

    /// The members of a cluster, on free ports, each with a data directory of its own in `folder`. None is started yet.
    /// If `extra` has certificates for peers, the peer URLs are `https`. `{name}` in `extra` stands for the member's
    /// name.
    pub fn members(executable: &Path, folder: &Path, names: &[&str], extra: &[&str]) -> Vec<Self> {
        let ports: Vec<[u16; 2]> = names.iter().map(|_| free_ports()).collect();
        let is_secure = extra.iter().any(|flag| flag.starts_with("--peer-cert-file"));
        let peer_url_at = |port: u16| format!("{}://127.0.0.1:{port}", if is_secure { "https" } else { "http" });
        let listed = member_list(names.iter().zip(&ports).map(|(name, [_, peer])| (name, peer_url_at(*peer))));
        let member = |(name, [client, peer]): (&&str, &[u16; 2])| {
            Self::member(executable, folder, (name, *client, &peer_url_at(*peer)), &listed, extra)
        };
        names.iter().zip(&ports).map(member).collect()
    }

    /// A member with this name, client port and peer URL, and with this list of members. Its data directory is the
    /// folder `name` in `folder`. It is not started yet.
    pub fn member(
        executable: &Path,
        folder: &Path,
        (name, client, peer_url): (&str, u16, &str),
        listed: &str,
        extra: &[&str],
    ) -> Self {
        Self::with_data(executable, &folder.join(name), (name, client, peer_url), listed, extra)
    }

    /// As [`Self::member`], for a member that runs the part `role`: `log-server`, `sequencer` or `front-end`. Only a front end
    /// serves clients, on `client`.
    pub fn part(
        executable: &Path,
        folder: &Path,
        role: &str,
        (name, client, peer_url): (&str, u16, &str),
        listed: &str,
    ) -> Self {
        let mut part = Self::member(executable, folder, (name, client, peer_url), listed, &[]);
        part.arguments.insert(0, role.into());
        if role != "front-end" {
            part.arguments.retain(|flag| !flag.to_string_lossy().contains("-client-urls="));
            part.client_url.clear();
            part.started = TAKES_PART;
        }
        part
    }

    /// As [`Self::member`], with this data directory.
    fn with_data(
        executable: &Path,
        data: &Path,
        (name, client, peer_url): (&str, u16, &str),
        listed: &str,
        extra: &[&str],
    ) -> Self {
        let client_url = format!("http://127.0.0.1:{client}");
        let mut arguments: Vec<OsString> = vec!["--data-dir".into(), data.into()];
        arguments.extend([
            format!("--name={name}").into(),
            format!("--listen-client-urls={client_url}").into(),
            format!("--advertise-client-urls={client_url}").into(),
            format!("--listen-peer-urls={peer_url}").into(),
            format!("--initial-advertise-peer-urls={peer_url}").into(),
            format!("--initial-cluster={listed}").into(),
        ]);
        arguments.extend(extra.iter().map(|flag| flag.replace("{name}", name).into()));
        EtcdServer { client_url, arguments, ..Self::from_command_line(executable, &[]) }
    }

    /// A server with a given command line. It is not started yet. The client URL is not known, so
    /// [`EtcdServer::client_url`] is empty.
    pub fn from_command_line(executable: &Path, arguments: &[String]) -> Self {
        EtcdServer {
            executable: executable.to_owned(),
            arguments: arguments.iter().map(OsString::from).collect(),
            client_url: String::new(),
            started: SERVES,
            _folder: None,
            log: Arc::new(Log::default()),
            process: None,
        }
    }

    /// The client URL, `http://127.0.0.1:port`. Empty for a server with a given command line, and for a log server or a
    /// sequencer.
    pub fn client_url(&self) -> &str {
        &self.client_url
    }

    /// Everything that the processes of this server have logged.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The running process.
    ///
    /// # Panics
    /// If the server has not been started, or was ended and not started again.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("the server runs")
    }

    /// The running process, to wait for its end.
    ///
    /// # Panics
    /// If the server has not been started, or was ended and not started again.
    pub fn process_mut(&mut self) -> &mut Process {
        self.process.as_mut().expect("the server runs")
    }

    /// From the next start on, another program runs with the same command line.
    pub fn use_program(&mut self, executable: &Path) {
        executable.clone_into(&mut self.executable);
    }

    /// Ends the process with `kill -9`.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Sends SIGTERM and returns the exit status.
    ///
    /// # Panics
    /// If it is not running, or does not end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.process.take().expect("the server runs").terminate()
    }

    /// Starts the same command line again and returns when it serves.
    ///
    /// # Panics
    /// If it does not serve.
    pub fn start_again(&mut self) {
        if let Err(reason) = self.try_start() {
            panic!("{reason}");
        }
    }

    /// Starts the same command line again, and does not wait until it serves.
    pub fn begin(&mut self) {
        self.process = Some(self.spawn());
    }

    fn spawn(&self) -> Process {
        let mut command = Command::new(&self.executable);
        command.args(&self.arguments);
        Process::start_with_log("etcd server", &mut command, Arc::clone(&self.log))
    }

    /// Like [`EtcdServer::start_again`], but returns an error if the server does not serve.
    ///
    /// # Errors
    /// A text with the reason and the last lines of the log.
    pub fn try_start(&mut self) -> Result<(), String> {
        let from = self.log.length();
        let mut process = self.spawn();
        let end = pace::now() + START_LIMIT;
        while !self.log.wait_for(from, self.started, Duration::from_millis(100)) {
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

/// The value of `--initial-cluster`: `name=url` of each member, with commas between them.
pub fn member_list(members: impl IntoIterator<Item = (impl Display, impl Display)>) -> String {
    let pairs: Vec<_> = members.into_iter().map(|(name, peer_url)| format!("{name}={peer_url}")).collect();
    pairs.join(",")
}

/// Ports that nothing listened on a moment ago.
///
/// # Panics
/// If the machine has none.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let found = ports::free_ports(N).unwrap_or_else(|error| panic!("{error:#}"));
    found.try_into().expect("as many as were asked for")
}

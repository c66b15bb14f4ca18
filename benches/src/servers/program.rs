//! Where the programs are, and with which arguments each is started.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::candidate::Candidate;
use super::etcd_build;
use super::seat::Seat;

/// Storage quota, enough for every run of this program. etcd's default is 2 GiB.
const QUOTA_BYTES: u64 = 16 << 30;

/// Where the programs are found.
#[derive(Debug, Clone, clap::Args)]
pub struct Programs {
    /// The naxos program [default: naxos beside this one, else target/release/naxos].
    #[arg(long)]
    naxos: Option<PathBuf>,
    /// A real etcd [default: built by Go from jepsen/servers/etcd].
    #[arg(long)]
    etcd: Option<PathBuf>,
    /// Folder in which each server gets a folder of its own for its data. The server's folder is removed afterwards
    /// [default: the target folder, so that all are on one file system].
    #[arg(long)]
    data: Option<PathBuf>,
}

/// A program and its arguments.
#[derive(Debug, Clone)]
pub struct CommandLine {
    /// The program's file.
    pub executable: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The address on which the program listens for clients: `HOST:PORT`.
    pub address: String,
}

impl Programs {
    /// A Naxos program, whose members keep their data below `data`.
    pub fn of_naxos(naxos: PathBuf, data: PathBuf) -> Self {
        Self { naxos: Some(naxos), etcd: None, data: Some(data) }
    }

    /// Finds or builds the program of every candidate, so that no later step has to.
    pub fn resolve(mut self, candidates: &[Candidate]) -> Result<Self> {
        if candidates.contains(&Candidate::Etcd) && self.etcd.is_none() {
            self.etcd = Some(etcd_build::build()?);
        }
        if candidates.contains(&Candidate::Naxos) && self.naxos.is_none() {
            let beside = std::env::current_exe()?.with_file_name("naxos");
            self.naxos = Some(if beside.is_file() { beside } else { PathBuf::from("target/release/naxos") });
        }
        for &candidate in candidates {
            let file = self.executable(candidate)?;
            ensure!(file.is_file(), "{}: no such file; give --{candidate} PATH", file.display());
        }
        Ok(self)
    }

    /// The folder below which servers get their data directories.
    pub fn data_folder(&self) -> Result<PathBuf> {
        match &self.data {
            Some(folder) => Ok(folder.clone()),
            None => etcd_build::target_folder(),
        }
    }

    /// The command line of the member `seats[at]`, whose data is in `data`. A floor server has one seat.
    pub fn command_line(&self, candidate: Candidate, data: &Path, seats: &[Seat], at: usize) -> Result<CommandLine> {
        let seat = &seats[at];
        let mut arguments: Vec<OsString> = match candidate {
            Candidate::Nothing => vec!["serve-nothing".into()],
            Candidate::Durable => vec!["serve-durable".into()],
            Candidate::Naxos | Candidate::Etcd => Vec::new(),
        };
        if candidate.stores() {
            let client = format!("http://{}", seat.client);
            let listed: Vec<_> = seats.iter().map(|seat| format!("{}=http://{}", seat.name, seat.advertised)).collect();
            arguments.extend([OsString::from("--data-dir"), data.join("data").into()]);
            for (flag, value) in [
                ("--name", seat.name.clone()),
                ("--listen-client-urls", client.clone()),
                ("--advertise-client-urls", client),
                ("--listen-peer-urls", format!("http://{}", seat.peer)),
                ("--initial-advertise-peer-urls", format!("http://{}", seat.advertised)),
                ("--initial-cluster", listed.join(",")),
                ("--quota-backend-bytes", QUOTA_BYTES.to_string()),
                ("--log-level", "warn".to_owned()),
            ] {
                arguments.extend([flag.into(), value.into()]);
            }
        } else {
            arguments.extend([OsString::from("--listen"), seat.client.clone().into()]);
        }
        if candidate == Candidate::Durable {
            arguments.extend([OsString::from("--data-dir"), data.join("data").into()]);
        }
        let mut executable = self.executable(candidate)?;
        if let Some(namespace) = &seat.namespace {
            // `ip netns exec` replaces itself by the program, which keeps the process id.
            let entry = ["netns".into(), "exec".into(), namespace.into(), executable.into()];
            arguments.splice(..0, entry);
            executable = PathBuf::from("ip");
        }
        Ok(CommandLine { executable, arguments, address: seat.client.clone() })
    }

    fn executable(&self, candidate: Candidate) -> Result<PathBuf> {
        let missing = || format!("no program for {candidate}");
        match candidate {
            Candidate::Naxos => self.naxos.clone().with_context(missing),
            Candidate::Etcd => self.etcd.clone().with_context(missing),
            Candidate::Durable | Candidate::Nothing => std::env::current_exe().with_context(missing),
        }
    }
}

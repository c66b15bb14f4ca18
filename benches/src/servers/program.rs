//! Where the programs are, and with which arguments each is started.

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::candidate::Candidate;
use super::etcd_build;

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
    /// The address on which it listens: `127.0.0.1:PORT`.
    pub address: String,
}

impl Programs {
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

    /// The command line of `candidate` with its data in `data`.
    pub fn command_line(&self, candidate: Candidate, data: &Path) -> Result<CommandLine> {
        let (client, peer) = (free_port()?, free_port()?);
        let address = format!("127.0.0.1:{client}");
        let mut arguments: Vec<OsString> = match candidate {
            Candidate::Nothing => vec!["serve-nothing".into()],
            Candidate::Durable => vec!["serve-durable".into()],
            Candidate::Naxos | Candidate::Etcd => Vec::new(),
        };
        if candidate.stores() {
            let (client, peer) = (format!("http://{address}"), format!("http://127.0.0.1:{peer}"));
            arguments.extend([OsString::from("--data-dir"), data.join("data").into()]);
            for (flag, value) in [
                ("--name", "n0".to_owned()),
                ("--listen-client-urls", client.clone()),
                ("--advertise-client-urls", client),
                ("--listen-peer-urls", peer.clone()),
                ("--initial-advertise-peer-urls", peer.clone()),
                ("--initial-cluster", format!("n0={peer}")),
                ("--quota-backend-bytes", QUOTA_BYTES.to_string()),
                ("--log-level", "warn".to_owned()),
            ] {
                arguments.extend([flag.into(), value.into()]);
            }
        } else {
            arguments.extend([OsString::from("--listen"), address.clone().into()]);
        }
        if candidate == Candidate::Durable {
            arguments.extend([OsString::from("--data-dir"), data.join("data").into()]);
        }
        Ok(CommandLine { executable: self.executable(candidate)?, arguments, address })
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

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

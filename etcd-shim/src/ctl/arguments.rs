//! The arguments of `naxos ctl`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::recover::Recover;
use super::restore::Restore;

use crate::config::parse_duration;

/// Look at a running Naxos server and command it, recover a cluster that has lost its quorum, or restore a backup.
#[derive(Debug, Parser)]
#[command(name = "naxos ctl", version = crate::version::NAXOS, disable_help_subcommand = true, after_help = "\
Examples:
  naxos ctl status
  naxos ctl members
  naxos ctl units
  naxos ctl chain --endpoints=https://10.0.0.1:2379 --cacert=ca.crt --cert=client.crt --key=client.key
  naxos ctl reconfigure --to corfu
  naxos ctl engines disable batching
  naxos ctl recover --data-dir=/var/lib/etcd --to=/var/lib/etcd-new
  naxos ctl restore backup.db --data-dir=/var/lib/etcd-new

For keys, leases, alarms and the like use etcdctl: a Naxos server is an etcd server.")]
pub(super) struct Arguments {
    /// How to reach the server.
    #[command(flatten)]
    pub(super) connection: Connection,
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// etcdctl's flags and variables.
#[derive(Args, Debug)]
pub(super) struct Connection {
    /// Client URLs or host:port, with commas between them.
    #[arg(long, global = true, env = "ETCDCTL_ENDPOINTS", default_value = "127.0.0.1:2379", value_delimiter = ',')]
    pub(super) endpoints: Vec<String>,
    /// Authorities (PEM) that sign the server's certificate.
    #[arg(long, global = true, env = "ETCDCTL_CACERT", value_name = "FILE")]
    pub(super) cacert: Option<PathBuf>,
    /// Certificate (PEM) to show to the server.
    #[arg(long, global = true, env = "ETCDCTL_CERT", value_name = "FILE")]
    pub(super) cert: Option<PathBuf>,
    /// Private key (PEM) of --cert.
    #[arg(long, global = true, env = "ETCDCTL_KEY", value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    /// Do not check the server's certificate. For tests only.
    #[arg(long, global = true, env = "ETCDCTL_INSECURE_SKIP_TLS_VERIFY")]
    pub(super) insecure_skip_tls_verify: bool,
    /// Give up after this long.
    #[arg(long, global = true, env = "ETCDCTL_COMMAND_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub(super) command_timeout: Duration,
}

impl Connection {
    /// The endpoints as URLs. As in etcdctl, an endpoint without a scheme becomes https if a flag for TLS is given
    /// (`--cacert`, `--cert` or `--insecure-skip-tls-verify`), otherwise http.
    pub(super) fn endpoints(&self) -> Vec<String> {
        let tls = self.cacert.is_some() || self.cert.is_some() || self.insecure_skip_tls_verify;
        let scheme = if tls { "https" } else { "http" };
        let with_scheme = |e: &String| if e.contains("://") { e.clone() } else { format!("{scheme}://{e}") };
        self.endpoints.iter().map(with_scheme).collect()
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the state of a server: log, store, disk, problems.
    Status,
    /// Show the members: which of them are alive, their roles, how far they lag, and for which member the log is kept.
    Members,
    /// Show the storage units that hold the log: where they are, what they lack, and how the log is repaired.
    Units,
    /// Show the chain of loglets behind the log.
    Chain,
    /// Seal the active loglet and continue on a new one, while clients go on.
    Reconfigure {
        /// Kind of the new loglet: native or corfu. Default: that of the active one.
        #[arg(long = "to", alias = "kind", value_name = "KIND")]
        kind: Option<String>,
    },
    /// Show the engines of the stack, or switch one by a command in the log.
    Engines {
        /// The engine to switch, and whether to switch it on or off. `None` to show all engines.
        #[command(subcommand)]
        switch: Option<Switch>,
    },
    /// After the quorum was lost for good: make a cluster of one from the data directories that are left.
    #[command(after_help = RECOVER_HELP)]
    Recover(Recover),
    /// Make a data directory from a backup: a file of `etcdctl snapshot save`, or the data directory of etcd.
    #[command(after_help = RESTORE_HELP)]
    Restore(Restore),
}

const RESTORE_HELP: &str = "\
The file may be from etcd or from Naxos. All keys with their revisions and versions are taken over, and all leases, which get \
their full time-to-live again. Alarms and the members of the old cluster are not taken over. This command contacts no \
server.

The new directory begins a new cluster. Start the server on it with the same --name, --initial-cluster, \
--initial-cluster-token and --initial-advertise-peer-urls as are given here. For a cluster of several members run this command \
once for each of them, with the same file, --initial-cluster and --initial-cluster-token, and with a token that was not used \
before.

If the file is older than what clients have seen, the new cluster gives out revisions that they know from the old one. \
A client that goes on, kube-apiserver for example, then confuses the two. --bump-revision with --mark-compacted makes \
it list everything again.

Only the database of etcd's directory is read, and not its log. So stop etcd properly before (with SIGTERM): after a kill, the \
writes of the last moments may be in the log alone.

Examples:
  naxos ctl restore backup.db --data-dir=/var/lib/etcd-new
  naxos ctl restore backup.db --data-dir=/var/lib/etcd-new --bump-revision=1000000000 --mark-compacted
  naxos ctl restore --etcd-data-dir=/var/lib/etcd --data-dir=/var/lib/etcd-new
  naxos ctl restore backup.db --data-dir=/var/lib/etcd-new --name=m1 --initial-cluster-token=after-the-fire \
    --initial-cluster=m1=https://10.0.0.1:2380,m2=https://10.0.0.2:2380,m3=https://10.0.0.3:2380 \
    --initial-advertise-peer-urls=https://10.0.0.1:2380";

const RECOVER_HELP: &str = "\
A cluster that lost the disks of a majority cannot go on by itself. This command reads the data directories that are left, \
and makes a new one from which a member starts as a cluster of one. Stop all members first. It contacts no server.

Without --yes it only looks. It shows for each directory the last durable position of the log and what its local store has \
applied, which directory it takes and why, which acknowledged writes may be missing, and the steps that follow.

The directories given as --data-dir are never changed. Give all that are left: what one lacks, another may have. If the \
command is interrupted, run it again.

The revision is raised, and everything up to the new one counts as compacted. So each client that watches is told to list \
again, and none takes an old revision for a new one. The new directory has a new log: no member of the old cluster can join it.

Examples:
  naxos ctl recover --data-dir=/var/lib/etcd --to=/var/lib/etcd-new
  naxos ctl recover --data-dir=/disk/a --data-dir=/disk/b --to=/var/lib/etcd-new --yes
  naxos ctl recover --data-dir=/disk/a --to=/var/lib/etcd --name=m1 --initial-advertise-peer-urls=https://10.0.0.9:2380 --yes";

impl Command {
    /// Whether the command changes something in the cluster that it calls. Such a command is sent to the first endpoint
    /// only.
    pub(super) fn changes(&self) -> bool {
        matches!(self, Command::Reconfigure { .. } | Command::Engines { switch: Some(_) })
    }
}

/// A change of an engine.
#[derive(Debug, Subcommand)]
pub(super) enum Switch {
    /// Switch an engine on.
    Enable {
        /// Its name, as `naxos ctl engines` prints it.
        name: String,
    },
    /// Switch an engine off.
    Disable {
        /// Its name, as `naxos ctl engines` prints it.
        name: String,
    },
}

impl Switch {
    /// The engine's name, and whether to switch it on.
    pub(super) fn parts(&self) -> (&str, bool) {
        match self {
            Switch::Enable { name } => (name, true),
            Switch::Disable { name } => (name, false),
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let nanos = parse_duration(text).map_err(|e| e.to_string())?;
    u64::try_from(nanos)
        .ok()
        .filter(|n| *n > 0)
        .map(Duration::from_nanos)
        .ok_or_else(|| "expected more than 0s".to_owned())
}

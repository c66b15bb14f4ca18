//! [`Subjects`]: the clusters that a command measures.

use anyhow::{Result, bail};

use crate::servers::cluster::Ground;
use crate::servers::{Candidate, Cluster, Programs};

/// The flags of a command that measures one or more servers. It starts a cluster of each server in turn.
#[derive(Debug, Clone, clap::Args)]
pub struct Subjects {
    #[command(flatten)]
    programs: Programs,
    /// The servers to measure, one after the other.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "naxos")]
    pub server: Vec<Candidate>,
    /// Number of members.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=5))]
    nodes: u8,
}

impl Subjects {
    /// Finds or builds the programs.
    pub fn resolve(&self) -> Result<Programs> {
        if let Some(alone) = self.server.iter().find(|server| !server.stores()) {
            bail!("--server {alone}: this server always has one node; expected naxos or etcd");
        }
        self.programs.clone().resolve(&self.server)
    }

    /// Starts a cluster of `server`.
    pub fn start(&self, programs: &Programs, server: Candidate, ground: Ground) -> Result<Cluster> {
        eprintln!("starting {} members of {server}", self.nodes);
        let mut cluster = Cluster::start(programs, server, self.nodes.into(), ground)?;
        cluster.wait_until_whole()?;
        Ok(cluster)
    }
}

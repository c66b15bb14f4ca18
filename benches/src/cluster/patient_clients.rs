//! [`PatientClients`]: the clients of a command that counts errors.

use std::time::Duration;

use anyhow::Result;

use super::writers::Writers;
use crate::servers::Cluster;

/// Flags: how many clients write, and how long each waits.
#[derive(Debug, Clone, clap::Args)]
pub struct PatientClients {
    /// Number of clients, each with one put in flight.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub clients: u16,
    /// How long a client waits for an answer. If no answer comes in this time, that counts as an error.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    patience: Duration,
}

impl PatientClients {
    /// Starts the clients, which use all members.
    pub fn start(&self, cluster: &Cluster) -> Result<Writers> {
        Writers::start(&cluster.endpoints(), self.clients.into(), self.patience)
    }
}

//! The servers that can be compared.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Candidate {
    /// Naxos.
    Naxos,
    /// A real etcd.
    Etcd,
    /// A tonic server that makes each put and Txn durable and does nothing else.
    Durable,
    /// A tonic server that does nothing.
    Nothing,
}

impl Candidate {
    /// Whether the server keeps keys. The floor servers have prepared answers instead.
    pub fn stores(self) -> bool {
        matches!(self, Candidate::Naxos | Candidate::Etcd)
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Candidate::Naxos => "naxos",
            Candidate::Etcd => "etcd",
            Candidate::Durable => "durable",
            Candidate::Nothing => "nothing",
        })
    }
}

//! [`Kind`]: what happens to the node of the leader.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use rustix::process::Signal;
use serde::Serialize;

use crate::servers::Cluster;
use crate::servers::cluster::Ground;
use crate::servers::disk::Disk;
use crate::servers::network::Network;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The process is killed with kill -9, and started again later.
    Kill,
    /// The process is paused by SIGSTOP, and goes on later.
    Stop,
    /// The file system of the node is frozen: every write and sync hangs, but the network works. Needs root.
    Freeze,
    /// Nothing gets through between the node and the other members. Clients still reach the node. Needs root.
    Cut,
    /// The node gets nothing from the other members, but what it sends arrives. Clients still reach it. Needs root.
    Deaf,
    /// Nothing gets through between the node and one other member. All others hear both. Needs root.
    Pair,
    /// The process is ended by SIGTERM, and started again later.
    Term,
    /// The leader is moved to another member, by etcd's call MoveLeader. Nothing fails.
    Move,
}

/// The longest gaps that are allowed.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct GapLimits {
    /// The median over the tries stays below this.
    pub median: Duration,
    /// No try goes beyond this.
    pub longest: Duration,
}

impl Kind {
    /// The disks and networks that the members need for this kind of fault.
    pub fn ground(self) -> Ground {
        match self {
            Kind::Kill | Kind::Stop | Kind::Term | Kind::Move => Ground::Plain,
            Kind::Freeze => Ground::Disks,
            Kind::Cut | Kind::Deaf | Kind::Pair => Ground::Networks,
        }
    }

    /// Checks that this machine can do it. The error says what is missing.
    pub fn need(self) -> Result<()> {
        let what = format!("--kinds {self}");
        match self.ground() {
            Ground::Disks => Disk::need(&what),
            Ground::Networks => Network::need(&what),
            Ground::NetworksAndDisks => Disk::need(&what).and_then(|()| Network::need(&what)),
            Ground::Plain | Ground::Delayed(_) => Ok(()),
        }
    }

    /// The limits that Naxos has to keep.
    pub fn limits(self) -> GapLimits {
        match self {
            Kind::Term | Kind::Move => {
                GapLimits { median: Duration::from_millis(100), longest: Duration::from_millis(100) }
            }
            _ => GapLimits { median: Duration::from_millis(500), longest: Duration::from_secs(1) },
        }
    }

    /// Lets it happen to the member with this number.
    pub fn strike(self, cluster: &mut Cluster, at: usize) -> Result<()> {
        match self {
            Kind::Kill => cluster.server(at).kill(),
            Kind::Stop => cluster.server(at).signal(Signal::STOP)?,
            Kind::Freeze => cluster.disk(at)?.freeze()?,
            Kind::Cut | Kind::Deaf | Kind::Pair => {
                let network = cluster.network()?;
                for (from, to) in self.ways(at, cluster.nodes()) {
                    network.cut(from, to)?;
                }
            }
            Kind::Term => drop(cluster.server(at).terminate()?),
            Kind::Move => cluster.move_leader(at, (at + 1) % cluster.nodes())?,
        }
        Ok(())
    }

    /// Ends what [`Self::strike`] did.
    pub fn heal(self, cluster: &mut Cluster, at: usize) -> Result<()> {
        match self {
            Kind::Kill | Kind::Term => drop(cluster.server(at).restart()?),
            Kind::Stop => cluster.server(at).signal(Signal::CONT)?,
            Kind::Freeze => cluster.disk(at)?.thaw()?,
            Kind::Cut | Kind::Deaf | Kind::Pair => {
                let network = cluster.network()?;
                for (from, to) in self.ways(at, cluster.nodes()) {
                    network.mend(from, to)?;
                }
            }
            Kind::Move => {}
        }
        Ok(())
    }

    /// The ways that are cut, each from a sender to a receiver, when this happens to the member `at`.
    fn ways(self, at: usize, nodes: usize) -> Vec<(usize, usize)> {
        let others = (0..nodes).filter(|other| *other != at);
        let heard = others.clone().map(|other| (other, at));
        let next = (at + 1) % nodes;
        match self {
            Kind::Pair => vec![(at, next), (next, at)],
            Kind::Cut => heard.chain(others.map(|other| (at, other))).collect(),
            _ => heard.collect(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Kind::Kill => "kill",
            Kind::Stop => "stop",
            Kind::Freeze => "freeze",
            Kind::Cut => "cut",
            Kind::Deaf => "deaf",
            Kind::Pair => "pair",
            Kind::Term => "term",
            Kind::Move => "move",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deaf_member_still_sends() {
        assert_eq!(Kind::Deaf.ways(1, 3), [(0, 1), (2, 1)]);
        assert_eq!(Kind::Cut.ways(1, 3), [(0, 1), (2, 1), (1, 0), (1, 2)]);
        assert_eq!(Kind::Pair.ways(2, 3), [(2, 0), (0, 2)]);
    }
}

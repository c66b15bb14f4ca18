//! [`Network`]: a network of its own for each member, in which the way between two members can be cut.

use std::process::id;

use anyhow::{Context, Result};

use super::seat::Seat;
use super::tools::{self, run};

/// A hardware address that no interface has. What is sent there is lost, and the sender is not told.
const NOBODY: &str = "02:00:00:00:00:01";

/// The last byte of the first member's address. The bridge, through which clients reach the members, has 1.
const FIRST_HOST: usize = 10;

/// One network namespace for each member, on one bridge. They are removed when this is dropped.
///
/// A way from one member to another is cut by a wrong hardware address for the receiver in the sender's table of
/// neighbours. Packets are then lost without an error, as on a broken network. Clients still reach all members.
#[derive(Debug)]
pub struct Network {
    members: usize,
}

impl Network {
    /// Checks that this machine can make such networks.
    pub fn need(what: &str) -> Result<()> {
        tools::need(what, &["ip"])
    }

    /// Makes the namespaces.
    pub fn new(members: usize) -> Result<Self> {
        // From here on a failure removes what was made.
        let network = Self { members };
        let bridge = bridge();
        network.ip(&format!("link add {bridge} type bridge")).context("make a bridge between network namespaces")?;
        network.ip(&format!("addr add {}/24 dev {bridge}", host(1)))?;
        network.ip(&format!("link set {bridge} up"))?;
        for member in 0..members {
            let (space, near) = (namespace(member), format!("{bridge}v{member}"));
            network.ip(&format!("netns add {space}"))?;
            network.ip(&format!("link add {near} type veth peer name eth0 netns {space}"))?;
            network.ip(&format!("link set {near} master {bridge} up"))?;
            network.ip(&format!("-n {space} addr add {}/24 dev eth0", address(member)))?;
            network.ip(&format!("-n {space} link set eth0 up"))?;
            network.ip(&format!("-n {space} link set lo up"))?;
        }
        Ok(network)
    }

    /// The seats of the members, one in each namespace.
    pub fn seats(&self) -> Vec<Seat> {
        (0..self.members).map(|at| Seat::in_namespace(at, &address(at), namespace(at))).collect()
    }

    /// Loses everything that `from` sends to `to`.
    pub fn cut(&self, from: usize, to: usize) -> Result<()> {
        let way = format!("{} lladdr {NOBODY} dev eth0 nud permanent", address(to));
        self.ip(&format!("-n {} neigh replace {way}", namespace(from)))
    }

    /// Ends [`Self::cut`].
    pub fn mend(&self, from: usize, to: usize) -> Result<()> {
        self.ip(&format!("-n {} neigh del {} dev eth0", namespace(from), address(to)))
    }

    fn ip(&self, arguments: &str) -> Result<()> {
        run("ip", &arguments.split(' ').collect::<Vec<_>>())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // An error is ignored, because some of it may never have been made. The interfaces are removed one by one:
        // those of a removed namespace disappear only some time later.
        for member in 0..self.members {
            let _ = self.ip(&format!("link del {}v{member}", bridge()));
            let _ = self.ip(&format!("netns del {}", namespace(member)));
        }
        let _ = self.ip(&format!("link del {}", bridge()));
    }
}

/// The name of the bridge. The names of interfaces have at most 15 bytes.
fn bridge() -> String {
    format!("nb{}", id())
}

fn namespace(member: usize) -> String {
    format!("naxos-bench-{}-{member}", id())
}

/// An address in the network of this process.
fn host(last: usize) -> String {
    format!("10.83.{}.{last}", id() % 256)
}

fn address(member: usize) -> String {
    host(FIRST_HOST + member)
}

//! [`Seat`]: where one member of a cluster listens, and how the others reach it.

use anyhow::Result;

use super::ports::free_ports;

/// The client port of a member that has an address of its own.
const CLIENT_PORT: u16 = 2379;

/// The peer port of a member that has an address of its own.
const PEER_PORT: u16 = 2380;

/// The name of a member and its addresses, each as `HOST:PORT`.
#[derive(Debug, Clone)]
pub struct Seat {
    /// The member's name.
    pub name: String,
    /// Where it listens for clients.
    pub client: String,
    /// Where it listens for the other members.
    pub peer: String,
    /// Where the other members call it. This differs from `peer` if a proxy stands between.
    pub advertised: String,
    /// The network namespace in which it runs. `None` if it runs in the namespace of this program.
    pub namespace: Option<String>,
}

impl Seat {
    /// Seats on loopback ports on which nothing listened a moment ago.
    pub fn on_loopback(count: usize) -> Result<Vec<Self>> {
        let ports = free_ports(2 * count)?;
        let seat = |(number, ports): (usize, &[u16])| {
            let (client, peer) = (format!("127.0.0.1:{}", ports[0]), format!("127.0.0.1:{}", ports[1]));
            Self { name: name(number), client, advertised: peer.clone(), peer, namespace: None }
        };
        Ok(ports.chunks(2).enumerate().map(seat).collect())
    }

    /// The seat with this number, in a network namespace in which `host` is its address.
    pub fn in_namespace(number: usize, host: &str, namespace: String) -> Self {
        let peer = format!("{host}:{PEER_PORT}");
        Self {
            name: name(number),
            client: format!("{host}:{CLIENT_PORT}"),
            advertised: peer.clone(),
            peer,
            namespace: Some(namespace),
        }
    }
}

fn name(number: usize) -> String {
    format!("n{number}")
}

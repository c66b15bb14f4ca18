//! [`TurmoilNet`]: turmoil's network for a node.

use std::io;

use futures::future::BoxFuture;
use naxos_proto::seams::{Accepted, Address, BoxConnection, Listener, Net, PeerAddress};

/// The network of the current turmoil host.
#[derive(Clone, Copy, Debug, Default)]
pub struct TurmoilNet;

struct Accept(turmoil::net::TcpListener);

impl Listener for Accept {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Accepted, PeerAddress)>> {
        Box::pin(async {
            let (stream, peer) = self.0.accept().await?;
            Ok((Accepted::Other(Box::new(stream)), PeerAddress::Tcp(peer)))
        })
    }

    fn local(&self) -> Address {
        Address::Tcp(self.0.local_addr().map(|a| a.to_string()).unwrap_or_default())
    }
}

/// The host and port of a TCP address that turmoil knows.
fn tcp(address: &Address) -> io::Result<&str> {
    match address {
        // turmoil simulates IPv4 here and panics on an IPv6 address.
        Address::Tcp(text) if !text.starts_with('[') => Ok(text),
        _ => Err(io::ErrorKind::AddrNotAvailable.into()),
    }
}

impl Net for TurmoilNet {
    fn listen<'a>(&'a self, at: &'a Address) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = turmoil::net::TcpListener::bind(tcp(at)?).await?;
            Ok(Box::new(Accept(listener)) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, to: &'a Address) -> BoxFuture<'a, io::Result<BoxConnection>> {
        Box::pin(async move {
            let stream = turmoil::net::TcpStream::connect(tcp(to)?).await?;
            Ok(Box::new(stream) as BoxConnection)
        })
    }
}

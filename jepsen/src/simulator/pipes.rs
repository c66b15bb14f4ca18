//! A network of in-memory pipes within one runtime, for tests that need a whole node but no network faults.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use naxos_proto::seams::{Accepted, Address, BoxConnection, Listener, Net, PeerAddress};
use parking_lot::Mutex;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint, Uri};

/// How many bytes may be on their way in one direction.
const PIPE_BYTES: usize = 64 << 10;
/// How many connections may wait to be accepted.
const BACKLOG: usize = 16;

/// One listener and its clients. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Pipes(Arc<Mutex<Option<mpsc::Sender<DuplexStream>>>>);

struct Accept(mpsc::Receiver<DuplexStream>);

impl Listener for Accept {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Accepted, PeerAddress)>> {
        Box::pin(async {
            match self.0.recv().await {
                Some(pipe) => {
                    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
                    Ok((Accepted::Other(Box::new(pipe)), PeerAddress::Tcp(peer)))
                }
                None => std::future::pending().await,
            }
        })
    }

    fn local(&self) -> Address {
        Address::Tcp("pipes:1".to_owned())
    }
}

impl Pipes {
    async fn dial(self) -> io::Result<DuplexStream> {
        let (ours, theirs) = duplex(PIPE_BYTES);
        let listener = self.0.lock().clone().ok_or(io::ErrorKind::ConnectionRefused)?;
        listener.send(theirs).await.map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(ours)
    }

    /// A channel to the listener. It connects when it is first used.
    pub fn channel(&self) -> Channel {
        let pipes = self.clone();
        let connector = tower::service_fn(move |_: Uri| {
            let pipes = pipes.clone();
            async move { io::Result::Ok(TokioIo::new(pipes.dial().await?)) }
        });
        Endpoint::from_static("http://node").connect_with_connector_lazy(connector)
    }
}

impl Net for Pipes {
    fn listen<'a>(&'a self, _: &'a Address) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        let (listener, accept) = mpsc::channel(BACKLOG);
        *self.0.lock() = Some(listener);
        Box::pin(async { Ok(Box::new(Accept(accept)) as Box<dyn Listener>) })
    }

    fn connect<'a>(&'a self, _: &'a Address) -> BoxFuture<'a, io::Result<BoxConnection>> {
        Box::pin(async { Ok(Box::new(self.clone().dial().await?) as BoxConnection) })
    }
}

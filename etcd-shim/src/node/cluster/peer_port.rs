//! [`PeerPort`]: accepts the connections of other nodes.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use naxos_proto::peer::accepted;
use naxos_proto::seams::{BoxConnection, Clock, Listener, Net};
use tokio_rustls::TlsAcceptor;

use crate::config::Url;
use crate::node::start::StartError;

/// At most this many connections of one listener are in their TLS handshake at a time.
const HANDSHAKES_MAX: usize = 64;
/// How long a TLS handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// The listeners of `--listen-peer-urls`.
pub(in crate::node) struct PeerPort {
    listeners: Vec<(Box<dyn Listener>, Option<TlsAcceptor>)>,
}

impl PeerPort {
    /// Binds `urls`. `tls` is for those that are secure.
    pub(in crate::node) async fn bind(
        net: &Arc<dyn Net>,
        urls: &[Url],
        tls: Option<&TlsAcceptor>,
    ) -> Result<Self, StartError> {
        let mut listeners = Vec::new();
        for url in urls {
            let bound = net.listen(&url.address()).await;
            let listener = bound.map_err(|error| StartError::PeerPort(url.to_string(), error.to_string()))?;
            listeners.push((listener, tls.filter(|_| url.is_secure()).cloned()));
        }
        Ok(Self { listeners })
    }

    /// The connections of all listeners.
    pub(in crate::node) fn connections(self, clock: Arc<dyn Clock>) -> impl Stream<Item = BoxConnection> + Send {
        let each = self.listeners.into_iter().map(move |(listener, tls)| {
            let clock = Arc::clone(&clock);
            let connections = accepted(listener).map(move |connection| {
                let (tls, clock) = (tls.clone(), Arc::clone(&clock));
                async move {
                    match tls {
                        Some(tls) => handshake(&tls, connection, &*clock).await,
                        None => Some(connection),
                    }
                }
            });
            connections.buffer_unordered(HANDSHAKES_MAX).filter_map(std::future::ready).boxed()
        });
        stream::select_all(each)
    }
}

async fn handshake(tls: &TlsAcceptor, connection: BoxConnection, clock: &dyn Clock) -> Option<BoxConnection> {
    let done = tokio::select! {
        biased;
        done = tls.accept(connection) => done.map_err(|error| error.to_string()),
        () = clock.sleep(HANDSHAKE_MAX) => Err(format!("no handshake within {} s", HANDSHAKE_MAX.as_secs())),
    };
    match done {
        Ok(connection) => Some(Box::new(connection)),
        Err(error) => {
            tracing::warn!(error, "rejected connection on peer endpoint");
            None
        }
    }
}

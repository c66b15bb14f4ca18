//! [`Connector`]: makes the connections to peers.

use std::io;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::peer::limits::CONNECT_MAX;
use crate::seams::{Address, BoxConnection, Clock, Net};

/// Connects to the address of a peer. TLS is a connector around another one.
pub trait Connector: Send + Sync {
    /// Connects. The caller sets the deadline.
    fn connect<'a>(&'a self, to: &'a Address) -> BoxFuture<'a, io::Result<BoxConnection>>;
}

/// Plain connections of the [`Net`] seam. It switches off Nagle's algorithm for TCP, so that a small call does not wait
/// for the acknowledgement of the one before.
#[derive(Clone)]
pub struct PlainConnector(pub Arc<dyn Net>);

impl Connector for PlainConnector {
    fn connect<'a>(&'a self, to: &'a Address) -> BoxFuture<'a, io::Result<BoxConnection>> {
        self.0.connect(to)
    }
}

/// No connection was made, so no call was sent. tonic hands this error on among the sources of a status.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no connection to {to}: {why}")]
pub(super) struct NotConnected {
    to: Address,
    why: String,
}

/// Connects within [`CONNECT_MAX`].
pub(super) async fn connect(
    connector: &dyn Connector,
    to: &Address,
    clock: &dyn Clock,
) -> Result<BoxConnection, NotConnected> {
    let why = tokio::select! {
        biased;
        made = connector.connect(to) => match made {
            Ok(connection) => return Ok(connection),
            Err(error) => error.to_string(),
        },
        () = clock.sleep(CONNECT_MAX) => format!("no answer within {} ms", CONNECT_MAX.as_millis()),
    };
    Err(NotConnected { to: to.clone(), why })
}

//! TLS between nodes, in both directions.

use std::io;
use std::sync::Arc;

use futures::future::BoxFuture;
use naxos_proto::peer::Connector;
use naxos_proto::seams::{Address, BoxConnection, Net};
use rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::config::{ServerConfig, Url};
use crate::tls::{self, TlsError};

/// Accepts the TLS connections of other nodes. `None` if no peer URL is secure.
pub(in crate::node) fn acceptor(config: &ServerConfig) -> Result<Option<TlsAcceptor>, TlsError> {
    if !config.listen_peer_urls.iter().any(Url::is_secure) {
        return Ok(None);
    }
    tls::server_config(&config.peer_tls, &config.tls).map(|config| Some(TlsAcceptor::from(config)))
}

/// Connects to the peer URL of another node.
pub(in crate::node) struct PeerConnector {
    net: Arc<dyn Net>,
    /// For a secure URL: the TLS client, and the name that the other node's certificate must have.
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl PeerConnector {
    /// A connector for `url`, which uses the certificates of `config`. This call opens no connection.
    pub(in crate::node) fn new(net: Arc<dyn Net>, config: &ServerConfig, url: &Url) -> Result<Self, TlsError> {
        if !url.is_secure() {
            return Ok(Self { net, tls: None });
        }
        let name = ServerName::try_from(url.host_name().to_owned());
        let name = name.map_err(|_| TlsError::PeerName(url.to_string()))?;
        let client = tls::client_config(&config.peer_tls, &config.tls)?;
        Ok(Self { net, tls: Some((TlsConnector::from(client), name)) })
    }
}

impl Connector for PeerConnector {
    fn connect<'a>(&'a self, to: &'a Address) -> BoxFuture<'a, io::Result<BoxConnection>> {
        Box::pin(async move {
            let connection = self.net.connect(to).await?;
            match &self.tls {
                None => Ok(connection),
                Some((tls, name)) => Ok(Box::new(tls.connect(name.clone(), connection).await?) as BoxConnection),
            }
        })
    }
}

//! Connects to one endpoint.

use std::io;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use naxos_proto::control::control_client::ControlClient;
use naxos_proto::seams::{BoxConnection, Net, SocketNet};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

use super::ctl_error::CtlError;
use super::trust::Trust;
use crate::config::Url;

/// A client of `endpoint`, and whether it uses TLS. The connection is opened at the first call.
pub(super) fn connect(endpoint: &str, trust: &Trust) -> Result<(ControlClient<Channel>, bool), CtlError> {
    let url = Url::parse(endpoint).map_err(|e| CtlError::Arguments(format!("--endpoints: {e}")))?;
    let secure = url.is_secure();
    let tls = secure.then(|| trust.tls.clone());
    let connector = tower::service_fn(move |_| {
        let (url, tls) = (url.clone(), tls.clone());
        async move { open(&url, tls).await.map(TokioIo::new) }
    });
    // The connector knows the real address; this one is only used as the authority of requests.
    let channel = Endpoint::from_static("http://naxos.invalid").connect_with_connector_lazy(connector);
    Ok((ControlClient::new(channel), secure))
}

async fn open(url: &Url, tls: Option<Arc<ClientConfig>>) -> io::Result<BoxConnection> {
    let stream = SocketNet.connect(&url.address()).await;
    let stream = stream.map_err(|e| io::Error::new(e.kind(), format!("{url}: {e}; is a server running there?")))?;
    let Some(tls) = tls else { return Ok(stream) };
    let name = ServerName::try_from(url.host_name().to_owned()).map_err(io::Error::other)?;
    let secured = TlsConnector::from(tls).connect(name, stream).await;
    let secured = secured.map_err(|e| match e.get_ref().and_then(|e| e.downcast_ref()) {
        Some(rustls::Error::InvalidMessage(_)) => {
            io::Error::new(e.kind(), format!("{url}: {e}; if the server speaks no TLS, give the endpoint as http://"))
        }
        _ => e,
    });
    Ok(Box::new(secured?))
}

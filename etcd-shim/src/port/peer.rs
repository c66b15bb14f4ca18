//! [`Peer`]: the client of a connection.

use naxos_proto::seams::PeerAddress;
use rustls::pki_types::CertificateDer;

/// The client of a connection. It is in the extensions (as `Arc<Peer>`) of every request that is not gRPC. A gRPC
/// request has it only if the client showed a certificate, because adding it to a request costs three allocations.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The remote address.
    pub address: PeerAddress,
    /// Whether the connection is encrypted.
    pub secure: bool,
    /// The client's verified certificate, followed by the certificates that were sent with it. Empty if there was none.
    pub certificates: Vec<CertificateDer<'static>>,
}

impl Peer {
    /// The remote address as etcd logs it.
    pub fn address_text(&self) -> String {
        match &self.address {
            PeerAddress::Tcp(address) => address.to_string(),
            PeerAddress::Unix => "@".to_owned(),
        }
    }
}

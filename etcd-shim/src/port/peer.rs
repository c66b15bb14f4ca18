//! Who is at the other end of a connection.

use naxos_proto::seams::PeerAddress;
use rustls::pki_types::CertificateDer;

/// In the extensions (as `Arc<Peer>`) of every HTTP request, and of gRPC requests whose client showed a certificate:
/// putting it into each gRPC request would cost three allocations.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The remote address.
    pub address: PeerAddress,
    /// Whether the connection is encrypted.
    pub secure: bool,
    /// The client's verified certificate and what it came with, its own first; empty without one.
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

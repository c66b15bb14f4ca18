//! [`AnyServer`]: a verifier for connections on which no authority is asked.

use std::sync::Arc;

use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::signatures::signatures_by;

/// Accepts every certificate of a server, and checks only that the server has its key. For `--peer-auto-tls`, and for
/// `--insecure-skip-tls-verify` of `naxos ctl`.
#[derive(Debug)]
pub(crate) struct AnyServer {
    pub(crate) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    signatures_by!(provider);
}

//! `--auto-tls` and `--peer-auto-tls`: TLS with a certificate that the server makes itself. It encrypts and proves nothing:
//! whoever connects cannot know whom it reaches, and as in etcd no authority is asked.

use std::sync::Arc;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::error::TlsError;
use super::signatures_by;

/// The names in the certificate, for clients that look at them.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Makes a certificate and its key. They are kept in memory, so each start makes a new pair.
pub(super) fn make_pair() -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let made = || {
        let mut params = CertificateParams::new(NAMES.map(str::to_owned).to_vec())?;
        params.distinguished_name.push(DnType::OrganizationName, "naxos");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key that was just made is a key");
        Ok((vec![certificate.der().clone()], key))
    };
    made().map_err(|error: rcgen::Error| TlsError::SelfSigned(error.to_string()))
}

/// Accepts every certificate of a server, and checks only that the server has its key.
#[derive(Debug)]
pub(super) struct AnyServer {
    pub(super) provider: Arc<CryptoProvider>,
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

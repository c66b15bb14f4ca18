//! TLS on the client's side.

use std::sync::Arc;

use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, Error, RootCertStore};

use super::CtlError;
use super::arguments::Connection;
use crate::tls::{TlsError, authorities, certificates, private_key, signatures_by};

/// Which servers to trust, and which certificate to show.
pub(super) struct Trust {
    /// The TLS settings for https endpoints.
    pub(super) tls: Arc<ClientConfig>,
}

impl Trust {
    /// Reads the files that the flags name.
    pub(super) fn read(connection: &Connection) -> Result<Trust, CtlError> {
        let fail = |e: &dyn std::fmt::Display| CtlError::Arguments(e.to_string());
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| fail(&e))?;
        let builder = match &connection.cacert {
            _ if connection.insecure_skip_tls_verify => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(BelieveAnyone { provider }))
            }
            Some(file) => builder.with_root_certificates(authorities(file).map_err(|e| fail(&e))?),
            None => builder.with_root_certificates(RootCertStore::empty()),
        };
        let mut tls = match (&connection.cert, &connection.key) {
            (Some(cert), Some(key)) => {
                let chain = certificates(cert).map_err(|e| fail(&e))?;
                let pair = builder.with_client_auth_cert(chain, private_key(key).map_err(|e| fail(&e))?);
                pair.map_err(|e| fail(&TlsError::of_pair(cert, key, &e)))?
            }
            (None, None) => builder.with_no_client_auth(),
            _ => return Err(CtlError::Arguments("--cert and --key come together, one of them is missing".to_owned())),
        };
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Trust { tls: Arc::new(tls) })
    }
}

/// The verifier for `--insecure-skip-tls-verify`: it accepts every server.
#[derive(Debug)]
struct BelieveAnyone {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for BelieveAnyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    signatures_by!(provider);
}

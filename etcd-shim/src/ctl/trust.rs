//! TLS on the client's side.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use super::arguments::Connection;
use super::ctl_error::CtlError;
use crate::tls::{AnyServer, TlsError, authorities, certificates, private_key};

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
                builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer { provider }))
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
            _ => return Err(CtlError::Arguments("--cert or --key is missing: expected both or none".to_owned())),
        };
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Trust { tls: Arc::new(tls) })
    }
}

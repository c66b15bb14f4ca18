//! The client's side of TLS: this node connects to other members.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};

use super::any_server::AnyServer;
use super::error::TlsError;
use super::files;
use super::reloading::ReloadingCertificate;
use super::server::{suites, versions};
use crate::config::{TlsFiles, TlsOptions};

/// Reads the files for members and makes the TLS configuration of a client that speaks HTTP/2. The other member's
/// certificate must be signed by one of the authorities and must name the host of its peer URL. With `--peer-auto-tls` any
/// certificate will do.
pub(crate) fn client_config(files: &TlsFiles, options: &TlsOptions) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(CryptoProvider { cipher_suites: suites(options), ..ring::default_provider() });
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions(options))
        .map_err(|e| TlsError::Options(e.to_string()))?;
    let builder = match &files.trusted_ca {
        _ if files.is_self_signed => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer { provider: provider.clone() }))
        }
        Some(authorities) => builder.with_root_certificates(files::authorities(authorities)?),
        None => return Err(TlsError::NoPeerAuthority),
    };
    let own = (files.client_cert.as_ref().or(files.cert.as_ref()), files.client_key.as_ref().or(files.key.as_ref()));
    let mut config = match own {
        (Some(cert), Some(key)) if !files.is_self_signed => {
            let certificate = ReloadingCertificate::new(cert.clone(), key.clone(), provider)?;
            builder.with_client_cert_resolver(Arc::new(certificate))
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

//! The server's side of TLS, configured by the flags.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};

use super::client_certificates;
use super::error::TlsError;
use super::reloading::ReloadingCertificate;
use super::self_signed;
use crate::config::{TlsFiles, TlsOptions, TlsVersion};

/// How many sessions are kept for clients to resume.
const SESSIONS_MAX: usize = 4096;

/// Reads the files and makes the TLS configuration. HTTP/2 is preferred.
pub fn server_config(files: &TlsFiles, options: &TlsOptions) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(CryptoProvider { cipher_suites: suites(options), ..ring::default_provider() });
    if files.is_self_signed {
        return self_signed_config(provider, options);
    }
    let (Some(cert), Some(key)) = (&files.cert, &files.key) else { return Err(TlsError::NoCertificate) };
    let certificate = ReloadingCertificate::new(cert.clone(), key.clone(), provider.clone())?;
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions(options))
        .map_err(|e| TlsError::Options(e.to_string()))?;
    let builder = match &files.trusted_ca {
        // As in etcd, clients must show a certificate as soon as a file of authorities is given, even without
        // `--client-cert-auth`.
        Some(authority) => builder.with_client_cert_verifier(client_certificates::verifier(
            authority,
            &files.allowed_hostname,
            &files.allowed_cn,
            provider,
        )?),
        None if files.client_cert_auth || !(files.allowed_hostname.is_empty() && files.allowed_cn.is_empty()) => {
            return Err(TlsError::NoAuthority);
        }
        None => builder.with_no_client_auth(),
    };
    Ok(completed(builder.with_cert_resolver(Arc::new(certificate))))
}

/// The configuration with a certificate that is made now. Clients need none.
fn self_signed_config(provider: Arc<CryptoProvider>, options: &TlsOptions) -> Result<Arc<ServerConfig>, TlsError> {
    let (chain, key) = self_signed::make_pair()?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(options))
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|e| TlsError::Options(e.to_string()))?;
    Ok(completed(config))
}

fn completed(mut config: ServerConfig) -> Arc<ServerConfig> {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = rustls::server::ServerSessionMemoryCache::new(SESSIONS_MAX);
    Arc::new(config)
}

/// The versions that the flags allow.
pub(super) fn versions(options: &TlsOptions) -> Vec<&'static SupportedProtocolVersion> {
    [(TlsVersion::Tls12, &TLS12), (TlsVersion::Tls13, &TLS13)]
        .into_iter()
        .filter(|(version, _)| (options.min..=options.max).contains(version))
        .map(|(_, supported)| supported)
        .collect()
}

/// Checks that the TLS files for the connections between members can be used, also where this node has no such
/// connection yet.
pub(crate) fn check_files(files: &TlsFiles) -> Result<(), TlsError> {
    let provider = Arc::new(ring::default_provider());
    for pair in [(&files.cert, &files.key), (&files.client_cert, &files.client_key)] {
        if let (Some(cert), Some(key)) = pair {
            ReloadingCertificate::new(cert.clone(), key.clone(), provider.clone())?;
        }
    }
    files.trusted_ca.as_deref().map_or(Ok(()), |authorities| super::authorities(authorities).map(drop))
}

/// All suites of TLS 1.3, then the suites of TLS 1.2 that the flags ask for. All suites if the flags name none.
pub(super) fn suites(options: &TlsOptions) -> Vec<SupportedCipherSuite> {
    let all = ring::default_provider().cipher_suites;
    if options.cipher_suites.is_empty() {
        return all;
    }
    // For the suites of TLS 1.2, rustls uses IANA's names, and so do the flags.
    let named = |name: &String| all.iter().find(|s| format!("{:?}", s.suite()) == *name).copied();
    let chosen = options.cipher_suites.iter().filter_map(named);
    let tls13 = all.iter().filter(|s| matches!(s, SupportedCipherSuite::Tls13(_))).copied();
    tls13.chain(chosen).collect()
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;

//! Which client certificates are let in: signed by an authority and, when names are given, made for one of them.

use std::path::Path;
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, DistinguishedName, Error};

use super::error::TlsError;
use super::files;
use super::signatures::signatures_by;

/// The verifier for `authority` and the allowed host names.
pub(super) fn verifier(
    authority: &Path,
    allowed: &[String],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let roots = Arc::new(files::authorities(authority)?);
    let inner = WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build().map_err(|e| {
        TlsError::Content {
            path: authority.to_owned(),
            expected: "X.509 certificates of authorities",
            found: e.to_string(),
        }
    })?;
    if allowed.is_empty() {
        return Ok(inner);
    }
    let names = allowed.iter().map(|n| ServerName::try_from(n.clone()).map_err(|_| TlsError::HostName(n.clone())));
    Ok(Arc::new(AllowedNames { inner, names: names.collect::<Result<_, _>>()?, provider }))
}

/// Adds the check of names to rustls's own.
#[derive(Debug)]
struct AllowedNames {
    inner: Arc<dyn ClientCertVerifier>,
    names: Vec<ServerName<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AllowedNames {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        let parsed = ParsedCertificate::try_from(end_entity)?;
        if self.names.iter().any(|name| verify_server_name(&parsed, name).is_ok()) {
            return Ok(verified);
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    signatures_by!(provider);
}

//! Decides which client certificates are accepted. A certificate must be signed by an authority or be trusted itself;
//! if host names or common names are given, it must be made for one of them. As in Go:
//!
//! - An authority counts only while its own certificate is valid, and only if that certificate says that it may sign.
//! - A certificate that is in the file of authorities needs no other certificate to sign it.
//!
//! rustls follows neither rule, so this module does.

use std::path::Path;
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, DistinguishedName, Error, RootCertStore};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Version};

use super::error::TlsError;
use super::files;
use super::signatures::signatures_by;

/// The verifier for the file of authorities, the allowed host names and the allowed common names.
pub(super) fn verifier(
    authorities: &Path,
    allowed: &[String],
    common_names: &[String],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let bad = |found: String| TlsError::Content {
        path: authorities.to_owned(),
        expected: "X.509 certificates of authorities",
        found,
    };
    let trusted: Vec<Trusted> = files::certificates(authorities)?
        .into_iter()
        .map(Trusted::read)
        .collect::<Result<_, _>>()
        .map_err(|e| bad(e.to_string()))?;
    let all = signed_by(&trusted, |_| true, &provider).map_err(|e| bad(e.to_string()))?;
    let names = allowed.iter().map(|n| ServerName::try_from(n.clone()).map_err(|_| TlsError::HostName(n.clone())));
    let (names, common_names) = (names.collect::<Result<_, _>>()?, common_names.to_vec());
    Ok(Arc::new(Clients { all, trusted, names, common_names, provider }))
}

/// rustls's own check, with those authorities for which `counts` holds.
fn signed_by(
    authorities: &[Trusted],
    counts: impl Fn(&Trusted) -> bool,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities.iter().filter(|authority| counts(authority)) {
        roots.add(authority.certificate.clone())?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    builder.build().map_err(|e| Error::General(e.to_string()))
}

/// A certificate in the file of authorities.
#[derive(Debug)]
struct Trusted {
    certificate: CertificateDer<'static>,
    /// The first and the last second, since 1970, at which it is valid.
    valid: (i64, i64),
    /// Whether a client may show this certificate itself.
    is_for_clients: bool,
    /// Whether it may sign the certificates of clients.
    signs: bool,
}

impl Trusted {
    fn read(certificate: CertificateDer<'static>) -> Result<Self, x509_parser::error::X509Error> {
        let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|e| match e {
            x509_parser::nom::Err::Error(e) | x509_parser::nom::Err::Failure(e) => e,
            x509_parser::nom::Err::Incomplete(_) => x509_parser::error::X509Error::InvalidCertificate,
        })?;
        let dates = parsed.validity();
        let valid = (dates.not_before.timestamp(), dates.not_after.timestamp());
        let is_for_clients =
            parsed.extended_key_usage()?.is_none_or(|usage| usage.value.any || usage.value.client_auth);
        let is_authority = parsed.version() != X509Version::V3 || parsed.is_ca();
        let has_key_for_it = parsed.key_usage()?.is_none_or(|usage| usage.value.key_cert_sign());
        let signs = is_for_clients && is_authority && has_key_for_it;
        Ok(Self { certificate, valid, is_for_clients, signs })
    }

    fn is_valid(&self, now: UnixTime) -> bool {
        i64::try_from(now.as_secs()).is_ok_and(|now| (self.valid.0..=self.valid.1).contains(&now))
    }
}

/// rustls's own check, and the checks that it lacks.
#[derive(Debug)]
struct Clients {
    /// rustls's own check, with all authorities.
    all: Arc<dyn ClientCertVerifier>,
    trusted: Vec<Trusted>,
    /// The certificate must be made for one of these host names; empty means any.
    names: Vec<ServerName<'static>>,
    /// The certificate's subject must have one of these common names; empty means any.
    common_names: Vec<String>,
    provider: Arc<CryptoProvider>,
}

impl Clients {
    /// Checks that an authority that is valid now signed the certificate. The error is `Expired` if only an authority
    /// that is not valid now signed it.
    fn verify_signed(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let counts = |trusted: &Trusted| trusted.signs && trusted.is_valid(now);
        if self.trusted.iter().all(counts) {
            return self.all.verify_client_cert(end_entity, intermediates, now).map(drop);
        }
        let by = |counts: &dyn Fn(&Trusted) -> bool| {
            signed_by(&self.trusted, counts, &self.provider)
                .map_err(|_| Error::InvalidCertificate(CertificateError::UnknownIssuer))?
                .verify_client_cert(end_entity, intermediates, now)
                .map(drop)
        };
        by(&counts).map_err(|error| match by(&|trusted| trusted.signs) {
            Ok(()) => Error::InvalidCertificate(CertificateError::Expired),
            Err(_) => error,
        })
    }
}

/// Whether a wildcard of the certificate covers `name` by Go's rule: `*` must be the whole first label and covers
/// exactly one label. rustls wants at least two more labels after it, so it does not accept `*.example`.
fn is_covered_by_wildcard(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    let ServerName::DnsName(wanted) = name else { return false };
    let Some((first, rest)) = wanted.as_ref().split_once('.') else { return false };
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return false };
    let Ok(Some(alternatives)) = parsed.subject_alternative_name() else { return false };
    alternatives.value.general_names.iter().any(|alternative| {
        let GeneralName::DNSName(pattern) = alternative else { return false };
        !first.is_empty() && pattern.strip_prefix("*.").is_some_and(|behind| behind.eq_ignore_ascii_case(rest))
    })
}

/// The common name of the certificate's subject.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    parsed.subject().iter_common_name().next()?.as_str().ok().map(str::to_owned)
}

impl ClientCertVerifier for Clients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.all.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let own = |trusted: &&Trusted| trusted.certificate == *end_entity && trusted.is_for_clients;
        match self.trusted.iter().find(own) {
            Some(trusted) if trusted.is_valid(now) => {}
            Some(_) => return Err(Error::InvalidCertificate(CertificateError::Expired)),
            None => self.verify_signed(end_entity, intermediates, now)?,
        }
        if !self.common_names.is_empty()
            && !common_name(end_entity).is_some_and(|name| self.common_names.contains(&name))
        {
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        if self.names.is_empty() {
            return Ok(ClientCertVerified::assertion());
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let is_named = |name: &ServerName<'_>| {
            verify_server_name(&parsed, name).is_ok() || is_covered_by_wildcard(end_entity, name)
        };
        if self.names.iter().any(is_named) {
            return Ok(ClientCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    signatures_by!(provider);
}

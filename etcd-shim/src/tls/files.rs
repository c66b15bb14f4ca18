//! Reads PEM files.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::TlsError;

/// The certificates in a file; there is at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = std::fs::read(path).map_err(|e| TlsError::read(path, &e))?;
    let bad = |found: String| TlsError::Content { path: path.to_owned(), expected: "PEM blocks CERTIFICATE", found };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|e| bad(format!("broken PEM ({e})")))?;
    if chain.is_empty() {
        return Err(bad("none".to_owned()));
    }
    Ok(chain)
}

/// The private key in a file.
pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = std::fs::read(path).map_err(|e| TlsError::read(path, &e))?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|e| TlsError::Content {
        path: path.to_owned(),
        expected: "a PEM block PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY",
        found: match e {
            rustls::pki_types::pem::Error::NoItemsFound => "none".to_owned(),
            other => format!("broken PEM ({other})"),
        },
    })
}

/// The authorities in a file.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|e| TlsError::Content {
            path: path.to_owned(),
            expected: "X.509 certificates of authorities",
            found: match e {
                // The text of the error itself would speak of a peer's certificate.
                rustls::Error::InvalidCertificate(why) => format!("one that cannot be read ({why})"),
                other => other.to_string(),
            },
        })?;
    }
    Ok(roots)
}

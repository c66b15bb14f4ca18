//! Why TLS cannot start. Each text names the file and what was expected in it.

use std::io;
use std::path::{Path, PathBuf};

use crate::os_text::os_text;

/// A start with TLS fails.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("open {path}: {reason}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says, as Go puts it.
        reason: String,
    },
    /// A file holds something else.
    #[error("{path}: expected {expected}, found {found}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What must be in it.
        expected: &'static str,
        /// What is in it.
        found: String,
    },
    /// Certificate and key do not belong together.
    #[error("{key} is not the private key of the certificate in {cert}: expected a pair ({reason})",
        key = key.display(), cert = cert.display())]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls says.
        reason: String,
    },
    /// A certificate or a key of a kind that is not known.
    #[error("{cert} with {key} cannot be used: expected an X.509 v3 certificate and an RSA, ECDSA (P-256 or P-384) or \
        Ed25519 key ({reason})", key = key.display(), cert = cert.display())]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls says.
        reason: String,
    },
    /// Client certificates are demanded, and nothing says who may sign them.
    #[error("--client-cert-auth needs --trusted-ca-file: expected a file with the authorities of client certificates")]
    NoAuthority,
    /// The certificate flags are incomplete.
    #[error("TLS key/cert (--cert-file, --key-file) must be provided for URLs with HTTPS scheme")]
    NoCertificate,
    /// Members are to use TLS, without certificates.
    #[error(
        "cannot listen on TLS for {0}: KeyFile and CertFile are not presented (expected --peer-cert-file and --peer-key-file)"
    )]
    NoPeerCertificate(String),
    /// The files for members.
    #[error("TLS among members (--peer-cert-file and its like): {0}")]
    Peers(Box<TlsError>),
    /// An entry of `--client-cert-allowed-hostname` is no host name.
    #[error("--client-cert-allowed-hostname: expected host names, found {0:?}")]
    HostName(String),
    /// Versions or suites that do not go together.
    #[error("TLS versions and cipher suites do not fit together: {0}")]
    Options(String),
}

impl TlsError {
    pub(super) fn read(path: &Path, error: &io::Error) -> TlsError {
        TlsError::Read { path: path.to_owned(), reason: os_text(error) }
    }

    /// Why a certificate and a key, each read from its file, are no pair to serve or ask with.
    pub fn of_pair(cert: &Path, key: &Path, error: &rustls::Error) -> TlsError {
        let (cert, key, reason) = (cert.to_owned(), key.to_owned(), error.to_string());
        match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { cert, key, reason },
            _ => TlsError::Unusable { cert, key, reason },
        }
    }
}

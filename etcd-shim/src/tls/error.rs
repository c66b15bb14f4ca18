//! [`TlsError`]: why TLS cannot start. Each text names the file, the flag or the setting that is wrong. Most texts also
//! say what was expected.

use std::io;
use std::path::{Path, PathBuf};

use crate::os_text::os_text;

/// TLS cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("open {path}: {reason}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error, in Go's words.
        reason: String,
    },
    /// A file does not contain what it should.
    #[error("{path}: expected {expected}, found {found}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What should be in the file.
        expected: &'static str,
        /// What is in the file.
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
        /// rustls's error.
        reason: String,
    },
    /// The certificate or the key is of an unknown kind.
    #[error("{cert} with {key} cannot be used: expected an X.509 v3 certificate and an RSA, ECDSA (P-256 or P-384) or \
        Ed25519 key ({reason})", key = key.display(), cert = cert.display())]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// rustls's error.
        reason: String,
    },
    /// The certificates of clients or members are to be checked, but no flag names the authorities that may sign them.
    #[error(
        "a check of client certificates needs --trusted-ca-file (of members: --peer-trusted-ca-file): expected a file \
         with the authorities of the certificates"
    )]
    NoAuthority,
    /// The certificate flags are incomplete.
    #[error("TLS key/cert (--cert-file, --key-file) must be provided for URLs with HTTPS scheme")]
    NoCertificate,
    /// TLS is used among members, but there are no certificates for it.
    #[error(
        "cannot listen on TLS for {0}: KeyFile and CertFile are not presented (expected --peer-cert-file and --peer-key-file)"
    )]
    NoPeerCertificate(String),
    /// A peer URL uses TLS, but no flag says which authorities sign the certificates of members.
    #[error("peer URLs with HTTPS scheme need --peer-trusted-ca-file: expected a file with the authorities of members")]
    NoPeerAuthority,
    /// A peer URL's host is not a name that a certificate can have.
    #[error("{0}: expected a host name or an address that a certificate can name")]
    PeerName(String),
    /// One of the files for members is wrong.
    #[error("TLS among members (--peer-cert-file and its like): {0}")]
    Peers(Box<TlsError>),
    /// An entry of `--client-cert-allowed-hostname` is not a host name.
    #[error("--client-cert-allowed-hostname: expected host names, found {0:?}")]
    HostName(String),
    /// `--auto-tls` or `--peer-auto-tls`: no certificate can be made.
    #[error("a certificate of the server's own cannot be made: {0}")]
    SelfSigned(String),
    /// TLS versions and cipher suites that do not fit together.
    #[error("TLS versions and cipher suites do not fit together: {0}")]
    Options(String),
}

impl TlsError {
    pub(super) fn read(path: &Path, error: &io::Error) -> TlsError {
        TlsError::Read { path: path.to_owned(), reason: os_text(error) }
    }

    /// The error for a certificate and a key that were read from their files but cannot be used together.
    pub fn of_pair(cert: &Path, key: &Path, error: &rustls::Error) -> TlsError {
        let (cert, key, reason) = (cert.to_owned(), key.to_owned(), error.to_string());
        match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { cert, key, reason },
            _ => TlsError::Unusable { cert, key, reason },
        }
    }
}

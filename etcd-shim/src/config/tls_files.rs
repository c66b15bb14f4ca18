//! The files and options of TLS, as the flags name them.

use std::path::PathBuf;

/// Files for one side: clients or members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// Authorities for the other side's certificates.
    pub trusted_ca: Option<PathBuf>,
    /// Demand a certificate.
    pub client_cert_auth: bool,
    /// Certificate for own connections; `cert` when absent.
    pub client_cert: Option<PathBuf>,
    /// Its private key.
    pub client_key: Option<PathBuf>,
    /// Common names, one of which must be there; empty for any.
    pub allowed_cn: Vec<String>,
    /// Host names, one of which must be there; empty for any.
    pub allowed_hostname: Vec<String>,
    /// Do not compare addresses with names.
    pub skip_client_san_verification: bool,
}

impl TlsFiles {
    /// Whether there is no certificate to show.
    pub fn is_empty(&self) -> bool {
        self.cert.is_none() && self.key.is_none()
    }
}

/// A TLS version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl TlsVersion {
    /// Reads etcd's text; the empty one means none.
    pub(super) fn parse(text: &str) -> Result<Option<TlsVersion>, String> {
        match text {
            "" => Ok(None),
            "TLS1.2" => Ok(Some(TlsVersion::Tls12)),
            "TLS1.3" => Ok(Some(TlsVersion::Tls13)),
            _ => Err(format!("unexpected TLS version {text:?} (must be one of: TLS1.2, TLS1.3)")),
        }
    }
}

/// Versions and cipher suites, for clients and members alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// Lowest version.
    pub min: TlsVersion,
    /// Highest version.
    pub max: TlsVersion,
    /// Names of suites for TLS 1.2 that are safe enough to be built in; empty for all of them.
    pub cipher_suites: Vec<String>,
}

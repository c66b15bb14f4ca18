//! The files and options of TLS, as the flags name them.

use std::path::PathBuf;

/// The files for the connections with clients, or for the connections with other members. In the comments below, "the
/// other side" is the process at the other end of such a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain.
    pub cert: Option<PathBuf>,
    /// The private key of `cert`.
    pub key: Option<PathBuf>,
    /// The authorities that sign the other side's certificates.
    pub trusted_ca: Option<PathBuf>,
    /// Whether the other side must show a certificate when it connects to this node. If `trusted_ca` is given, it must
    /// show one even if this is false. With `is_self_signed` it need not show one, whatever else is given.
    pub client_cert_auth: bool,
    /// The certificate for connections that this node opens; `cert` if absent.
    pub client_cert: Option<PathBuf>,
    /// The private key of `client_cert`.
    pub client_key: Option<PathBuf>,
    /// When the other side connects to this node, its certificate must have one of these common names; empty means any.
    pub allowed_cn: Vec<String>,
    /// When the other side connects to this node, its certificate must have one of these host names; empty means any.
    pub allowed_hostname: Vec<String>,
    /// Whether the server makes a certificate itself.
    pub is_self_signed: bool,
}

impl TlsFiles {
    /// Whether there is no certificate to show.
    pub fn is_empty(&self) -> bool {
        self.cert.is_none() && self.key.is_none() && !self.is_self_signed
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
    /// Reads etcd's text for a version. `None` if the text is empty.
    pub(super) fn parse(text: &str) -> Result<Option<TlsVersion>, String> {
        match text {
            "" => Ok(None),
            "TLS1.2" => Ok(Some(TlsVersion::Tls12)),
            "TLS1.3" => Ok(Some(TlsVersion::Tls13)),
            _ => Err(format!("unexpected TLS version {text:?} (must be one of: TLS1.2, TLS1.3)")),
        }
    }
}

/// TLS versions and cipher suites, for clients and members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// The lowest version.
    pub min: TlsVersion,
    /// The highest version.
    pub max: TlsVersion,
    /// The names of the cipher suites that may be used with TLS 1.2. All of them are built in. If the list is empty,
    /// all suites that are built in may be used.
    pub cipher_suites: Vec<String>,
}

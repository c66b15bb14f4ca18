//! Certificates for tests.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

use crate::config::{TlsFiles, TlsOptions, TlsVersion};

/// An authority, with its certificate in `ca.crt` and its key in `ca.key`.
pub(crate) struct Authority {
    pub(crate) dir: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        Authority::valid_until(4000)
    }

    /// An authority that is valid until `year` begins.
    pub(crate) fn valid_until(year: i32) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.crt"), issuer.pem()).unwrap();
        std::fs::write(dir.path().join("ca.key"), issuer.key().serialize_pem()).unwrap();
        Authority { dir, issuer }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes `<name>.crt` and `<name>.key`: a pair for these host names, for servers and clients.
    pub(crate) fn issue(&self, name: &str, hosts: &[&str]) {
        self.issue_by(&self.issuer, name, hosts);
    }

    /// Writes a pair that is signed with the key of the pair `issued`, which this authority has issued. The certificate
    /// of that pair is not allowed to sign.
    pub(crate) fn issue_by_issued(&self, issued: &str, name: &str, hosts: &[&str]) {
        let key = std::fs::read_to_string(self.path(&format!("{issued}.key"))).unwrap();
        self.issue_by(&Issuer::new(params(issued, &[]), KeyPair::from_pem(&key).unwrap()), name, hosts);
    }

    fn issue_by(&self, issuer: &Issuer<'_, KeyPair>, name: &str, hosts: &[&str]) {
        let key = KeyPair::generate().unwrap();
        let cert = params(name, hosts).signed_by(&key, issuer).unwrap();
        write_new(&self.path(&format!("{name}.crt")), &cert.pem());
        write_new(&self.path(&format!("{name}.key")), &key.serialize_pem());
    }

    /// The files for a server. If `mutual`, clients must show a certificate.
    pub(crate) fn server(&self, name: &str, mutual: bool) -> TlsFiles {
        TlsFiles {
            cert: Some(self.path(&format!("{name}.crt"))),
            key: Some(self.path(&format!("{name}.key"))),
            trusted_ca: mutual.then(|| self.path("ca.crt")),
            client_cert_auth: mutual,
            ..TlsFiles::default()
        }
    }

    /// A client that trusts this authority. If `name` is given, the client shows the certificate in `<name>.crt`.
    pub(crate) fn client(&self, name: Option<&str>, alpn: &[&str]) -> std::sync::Arc<rustls::ClientConfig> {
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let roots = crate::tls::files::authorities(&self.path("ca.crt")).unwrap();
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match name {
            Some(name) => builder
                .with_client_auth_cert(
                    crate::tls::files::certificates(&self.path(&format!("{name}.crt"))).unwrap(),
                    crate::tls::files::private_key(&self.path(&format!("{name}.key"))).unwrap(),
                )
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        std::sync::Arc::new(config)
    }
}

fn params(name: &str, hosts: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(hosts.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// Replaces a file by a new one of the same name, as a rotation of certificates does.
fn write_new(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

pub(crate) fn options() -> TlsOptions {
    TlsOptions { min: TlsVersion::Tls12, max: TlsVersion::Tls13, cipher_suites: Vec::new() }
}

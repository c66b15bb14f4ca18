//! `--auto-tls` and `--peer-auto-tls`: TLS with a certificate that the server makes itself. It encrypts, but it
//! proves nothing: as in etcd no authority is asked, so a client cannot know which server it has reached.

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::TlsError;

/// The names in the certificate, for clients that look at them.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Makes a certificate and its key. They are kept in memory, so each start makes a new pair.
pub(super) fn make_pair() -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let made = || {
        let mut params = CertificateParams::new(NAMES.map(str::to_owned).to_vec())?;
        params.distinguished_name.push(DnType::OrganizationName, "naxos");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key that was just made is a key");
        Ok((vec![certificate.der().clone()], key))
    };
    made().map_err(|error: rcgen::Error| TlsError::SelfSigned(error.to_string()))
}

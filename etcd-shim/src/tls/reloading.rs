//! [`ReloadingCertificate`]: a certificate that is read again when its files change.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::error::TlsError;
use super::files;

/// Shows that a file was changed: its time, its length and its inode number, which differs if the file was replaced.
type Stamp = Option<(SystemTime, u64, u64)>;

/// A certificate, which is shown to the other side of a connection, and its private key, from two files. Both are read
/// again at the first handshake after one of the files has changed.
pub(super) struct ReloadingCertificate {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
    seen: Mutex<[Stamp; 2]>,
}

impl ReloadingCertificate {
    /// Reads the pair for the first time.
    pub(super) fn new(
        cert: PathBuf,
        key: PathBuf,
        provider: Arc<CryptoProvider>,
    ) -> Result<ReloadingCertificate, TlsError> {
        let seen = [stamp(&cert), stamp(&key)];
        let pair = load(&cert, &key, &provider)?;
        Ok(ReloadingCertificate { cert, key, provider, current: ArcSwap::from_pointee(pair), seen: Mutex::new(seen) })
    }

    fn refresh(&self) {
        let now = [stamp(&self.cert), stamp(&self.key)];
        let mut seen = self.seen.lock();
        if *seen == now {
            return;
        }
        *seen = now;
        match load(&self.cert, &self.key, &self.provider) {
            Ok(pair) => {
                self.current.store(Arc::new(pair));
                tracing::info!("cert-file" = %self.cert.display(), "read the changed certificate");
            }
            Err(error) => {
                tracing::warn!(%error, "the changed certificate is of no use; the one before stays in use");
            }
        }
    }
}

impl ResolvesServerCert for ReloadingCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.refresh();
        Some(self.current.load_full())
    }
}

impl ResolvesClientCert for ReloadingCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.refresh();
        Some(self.current.load_full())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl fmt::Debug for ReloadingCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReloadingCertificate").field("cert", &self.cert).field("key", &self.key).finish_non_exhaustive()
    }
}

fn stamp(path: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

fn load(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = files::certificates(cert)?;
    let pair = CertifiedKey::from_der(chain, files::private_key(key)?, provider);
    pair.map_err(|e| TlsError::of_pair(cert, key, &e))
}

//! The checksum at the end of a file: the SHA-256 of all bytes before it.

use sha2::{Digest, Sha256};

use super::backup_error::BackupError;

/// The length of the checksum.
pub(crate) const DIGEST_BYTES: usize = 32;
/// The length of a file without a checksum is a multiple of this.
const SECTOR_BYTES: usize = 512;
/// Bytes that are hashed between two calls that tell the progress.
const SLICE_BYTES: usize = 4 << 20;

/// Whether a file of this length has a checksum at its end. Pages have a multiple of 512 bytes, so the length tells.
pub(crate) fn has_digest(len: usize) -> bool {
    len % SECTOR_BYTES == DIGEST_BYTES
}

/// Checks the checksum of a file that has one. Calls `tell` after each slice, with the number of bytes hashed so far.
pub(crate) fn check_digest(file: &[u8], mut tell: impl FnMut(usize)) -> Result<(), BackupError> {
    let Some((content, found)) = file.split_last_chunk::<DIGEST_BYTES>() else { return Err(BackupError::Empty) };
    let (mut hasher, mut done) = (Sha256::new(), 0);
    for slice in content.chunks(SLICE_BYTES) {
        hasher.update(slice);
        done += slice.len();
        tell(done);
    }
    let expected = hasher.finalize();
    if expected[..] == found[..] {
        return Ok(());
    }
    let text = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Err(BackupError::Digest { expected: text(&expected), found: text(found) })
}

//! Small files of the data directory that are read and written as a whole: a magic, a version, a checksum and a body.
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic |
//! | 8 | 4 | version, 1 (little-endian) |
//! | 12 | 4 | crc32 of everything from byte 16 on (little-endian) |
//! | 16 | | body |

use std::io::{self, ErrorKind};

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::seams::{Disk, OpenMode};

const VERSION: u32 = 1;
const BODY_AT: usize = 16;
/// The largest file that is read. A real one is smaller.
const BYTES_MAX: u64 = 1 << 20;

/// The bytes of the file `name`. `None` if there is no such file.
pub(super) async fn read(disk: &dyn Disk, name: &str) -> io::Result<Option<Bytes>> {
    let file = match disk.open(name, OpenMode::Existing).await {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let len = file.len().await?;
    if len > BYTES_MAX {
        return Err(io::Error::other(format!("expected at most {BYTES_MAX} bytes, found {len}")));
    }
    file.read_at(0, usize::try_from(len).expect("it is short")).await.map(Some)
}

/// The bytes of a file with this body.
pub(super) fn wrap(magic: &[u8; 8], body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(BODY_AT + body.len());
    out.put_slice(magic);
    out.put_u32_le(VERSION);
    out.put_u32_le(crc32fast::hash(body));
    out.put_slice(body);
    out.freeze()
}

/// The body of a file. The error says what was expected.
pub(super) fn unwrap(magic: &[u8; 8], bytes: &Bytes) -> Result<Bytes, String> {
    if !bytes.starts_with(magic) || bytes.len() < BODY_AT {
        let magic = String::from_utf8_lossy(magic);
        return Err(format!("expected \"{magic}\" at its beginning and at least 16 bytes"));
    }
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("the slice has four bytes"));
    if number(8) != VERSION {
        return Err(format!("it has version {}, this build reads version {VERSION}", number(8)));
    }
    let body = bytes.slice(BODY_AT..);
    let expected = crc32fast::hash(&body);
    if number(12) != expected {
        return Err(format!("expected the checksum {expected}, found {}", number(12)));
    }
    Ok(body)
}

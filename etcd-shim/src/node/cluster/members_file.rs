//! The file `members`: the members as this node knew them last. A start reads it to find the others, who know more.
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `NAXOSMBR` |
//! | 8 | 4 | version, 1 (little-endian) |
//! | 12 | 4 | crc32 of everything from byte 16 on (little-endian) |
//! | 16 | | the message `naxos.peer.v1.Cluster` |

use std::io::{self, ErrorKind};

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::contracts::ClusterView;
use naxos_proto::seams::{Disk, OpenMode, replace_file};

/// Its name.
pub(in crate::node) const MEMBERS_FILE: &str = "members";
const TMP: &str = "members.tmp";
const MAGIC: &[u8; 8] = b"NAXOSMBR";
const VERSION: u32 = 1;
const BODY_AT: usize = 16;
/// The largest file that is read. A real one is far smaller.
const BYTES_MAX: u64 = 1 << 20;

/// Reads the file. `None` if there is none. A file that cannot be read is an error, because without it the node might not
/// find the others.
pub(in crate::node) async fn read_members(disk: &dyn Disk) -> io::Result<Option<ClusterView>> {
    let file = match disk.open(MEMBERS_FILE, OpenMode::Existing).await {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let len = file.len().await?;
    if len > BYTES_MAX {
        return Err(io::Error::other(format!("expected at most {BYTES_MAX} bytes, found {len}")));
    }
    let bytes = file.read_at(0, usize::try_from(len).expect("it is short")).await?;
    decode(&bytes).map(Some).map_err(io::Error::other)
}

/// Replaces the file, durably.
pub(in crate::node) async fn write_members(disk: &dyn Disk, view: &ClusterView) -> io::Result<()> {
    replace_file(disk, MEMBERS_FILE, TMP, encode(view)).await
}

fn encode(view: &ClusterView) -> Bytes {
    let body = view.encode();
    let mut out = BytesMut::with_capacity(BODY_AT + body.len());
    out.put_slice(MAGIC);
    out.put_u32_le(VERSION);
    out.put_u32_le(crc32fast::hash(&body));
    out.put_slice(&body);
    out.freeze()
}

fn decode(bytes: &Bytes) -> Result<ClusterView, String> {
    if !bytes.starts_with(MAGIC) || bytes.len() < BODY_AT {
        return Err("expected \"NAXOSMBR\" at its beginning and at least 16 bytes".to_owned());
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
    ClusterView::decode(body).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use naxos_proto::contracts::ListedMember;
    use naxos_proto::ids::{ClusterId, LogId, MemberId};

    use super::*;

    #[test]
    fn a_damaged_or_newer_file_says_what_was_expected() {
        let members = BTreeMap::from([(MemberId(1), ListedMember::default())]);
        let view = ClusterView { cluster: ClusterId(1), log: LogId(2), members, ..ClusterView::default() };
        let good = encode(&view);
        assert_eq!(decode(&good), Ok(view));
        for (at, words) in [(0, "NAXOSMBR"), (8, "this build reads version 1"), (12, "checksum"), (17, "checksum")] {
            let mut bad = good.to_vec();
            bad[at] ^= 0x10;
            let refused = decode(&bad.into()).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
        assert!(decode(&good.slice(..9)).is_err());
    }
}

//! The file `members`: the members as this node knew them last. A start reads it to find the others, who know more.
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `NAXOSMBR` |
//! | 8 | 4 | version, 1 (little-endian) |
//! | 12 | 4 | crc32 of everything from byte 16 on (little-endian) |
//! | 16 | | the message `naxos.peer.v1.Cluster` |

use std::collections::BTreeSet;
use std::io;

use bytes::Bytes;
use naxos_proto::contracts::ClusterView;
use naxos_proto::seams::{Disk, replace_file};

use super::small_file;

/// Its name.
pub(in crate::node) const MEMBERS_FILE: &str = "members";
const TMP: &str = "members.tmp";
const MAGIC: &[u8; 8] = b"NAXOSMBR";

/// Reads the file. `None` if there is none. A file that cannot be read is an error, because without it the node might not
/// find the others.
pub(in crate::node) async fn read_members(disk: &dyn Disk) -> io::Result<Option<ClusterView>> {
    let bytes = small_file::read(disk, MEMBERS_FILE).await?;
    bytes.map(|bytes| decode(&bytes).map_err(io::Error::other)).transpose()
}

/// Replaces the file if `view` has other members or seats than `written`, and is not older than it. `written` is the
/// view in the file. If the write fails, the next call tries again.
pub(in crate::node) async fn follow_members(disk: &dyn Disk, written: &mut ClusterView, view: &ClusterView) {
    let is_same = written.members == view.members && written.seats == view.seats;
    if is_same || view.at < written.at {
        return;
    }
    match write_members(disk, view).await {
        Ok(()) => *written = view.clone(),
        Err(error) => tracing::warn!(%error, "the file \"members\" cannot be written; trying again"),
    }
}

/// Replaces the file, durably.
pub(in crate::node) async fn write_members(disk: &dyn Disk, view: &ClusterView) -> io::Result<()> {
    replace_file(disk, MEMBERS_FILE, TMP, encode(view)).await
}

fn encode(view: &ClusterView) -> Bytes {
    // The next start reads the voters from its replica.
    let view = ClusterView { voters: BTreeSet::new(), ..view.clone() };
    small_file::wrap(MAGIC, &view.encode())
}

fn decode(bytes: &Bytes) -> Result<ClusterView, String> {
    ClusterView::decode(small_file::unwrap(MAGIC, bytes)?).map_err(|error| error.to_string())
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

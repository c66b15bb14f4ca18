//! The names of etcd's buckets, of the keys in them, and how a revision names a key.

use bytes::{BufMut, Bytes, BytesMut};

use crate::state::index::revision_key::RevisionKey;

/// Key-value pairs, by their revision.
pub(super) const KEY: &str = "key";
/// Positions in etcd's own log, versions, compaction.
pub(super) const META: &str = "meta";
/// Leases, by their id.
pub(super) const LEASE: &str = "lease";
/// Alarms: the encoded alarm is the key.
pub(super) const ALARM: &str = "alarm";
/// The version of the cluster.
pub(super) const CLUSTER: &str = "cluster";
/// Members, by their id in hexadecimal.
pub(super) const MEMBERS: &str = "members";
/// Removed members.
pub(super) const MEMBERS_REMOVED: &str = "members_removed";
/// Whether authentication is on, and its revision.
pub(super) const AUTH: &str = "auth";
/// Users, by their name.
pub(super) const AUTH_USERS: &str = "authUsers";
/// Roles, by their name.
pub(super) const AUTH_ROLES: &str = "authRoles";

/// In [`META`]: the voters, as JSON.
pub(super) const CONF_STATE: &str = "confState";
/// In [`META`]: the position up to which etcd's log is applied, u64, big-endian.
pub(super) const CONSISTENT_INDEX: &str = "consistent_index";
/// In [`META`]: the revision of the last compaction whose rows are all dropped.
pub(super) const FINISHED_COMPACT: &str = "finishedCompactRev";
/// In [`META`]: the revision of the last compaction.
pub(super) const SCHEDULED_COMPACT: &str = "scheduledCompactRev";
/// In [`META`]: the version of the file's content.
pub(super) const STORAGE_VERSION: &str = "storageVersion";
/// In [`META`]: the term of etcd's log, u64, big-endian.
pub(super) const TERM: &str = "term";
/// In [`CLUSTER`]: the version of the cluster.
pub(super) const CLUSTER_VERSION: &str = "clusterVersion";
/// In [`AUTH`]: one byte, 1 if authentication is on.
pub(super) const AUTH_ENABLED: &str = "authEnabled";

/// The length of a revision's name.
const REVISION_BYTES: usize = 17;

/// The name of a revision: main u64, `_`, sub u64, big-endian. A deletion has a `t` after that.
pub(super) fn revision_name(at: RevisionKey, deleted: bool) -> Bytes {
    let mut out = BytesMut::with_capacity(REVISION_BYTES + 1);
    out.put_i64(at.main);
    out.put_u8(b'_');
    out.put_u64(at.sub.into());
    if deleted {
        out.put_u8(b't');
    }
    out.freeze()
}

/// Reads what [`revision_name`] wrote. `None` if it is something else.
pub(super) fn revision_of(name: &[u8]) -> Option<(RevisionKey, bool)> {
    let (main, rest) = name.split_first_chunk::<8>()?;
    let (sub, rest) = rest.strip_prefix(b"_")?.split_first_chunk::<8>()?;
    let deleted = match rest {
        [] => false,
        b"t" => true,
        _ => return None,
    };
    let main = Some(i64::from_be_bytes(*main)).filter(|main| *main > 0)?;
    let sub = u32::try_from(u64::from_be_bytes(*sub)).ok()?;
    Some((RevisionKey { main, sub }, deleted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_revisions_round_trip_and_keep_the_order() {
        let at = |main, sub| RevisionKey { main, sub };
        let all =
            [(at(2, 0), false), (at(2, 1), true), (at(2, 300), false), (at(258, 0), true), (at(i64::MAX, 0), false)];
        let names = all.map(|(at, deleted)| revision_name(at, deleted));
        assert!(names.is_sorted());
        assert_eq!(names.each_ref().map(|name| revision_of(name).unwrap()), all);
        let good = &names[1];
        for bad in [&good[..16], b"", &[0; 17], &[good, &b"t"[..]].concat(), &[&[255; 8], &good[8..]].concat()] {
            assert_eq!(revision_of(bad), None, "{bad:?}");
        }
    }
}

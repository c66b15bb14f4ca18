//! [`Versions`]: the version of the cluster, and what its members have announced.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use naxos_engines::{RowKey, StoreReader};
use naxos_proto::codec::{DecodeError, Reader};
use naxos_proto::ids::{Boot, Incarnation, StorageId, StoreId};
use naxos_proto::release::ClusterVersion;

use super::rows;

/// What the process of a member has announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The process.
    pub by: Incarnation,
    /// The highest cluster version that it understands.
    pub version: ClusterVersion,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Versions {
    cluster: ClusterVersion,
    announced: BTreeMap<u64, Announced>,
}

impl Versions {
    /// The version on which the members have agreed.
    pub(crate) fn cluster(&self) -> ClusterVersion {
        self.cluster
    }

    /// What a member has announced last.
    pub(crate) fn announced(&self, member: u64) -> Option<Announced> {
        self.announced.get(&member).copied()
    }

    /// Notes what a member has announced.
    pub(crate) fn announce(&mut self, member: u64, announced: Announced) {
        self.announced.insert(member, announced);
    }

    /// Forgets what a member has announced: it is gone, or it has a new data directory and has to announce again.
    pub(crate) fn forget(&mut self, member: u64) {
        self.announced.remove(&member);
    }

    /// The highest version that all of these members have announced. A member that has announced nothing counts as one
    /// that understands only the first version.
    pub(crate) fn common(&self, members: impl IntoIterator<Item = u64>) -> ClusterVersion {
        let announced = |member| self.announced.get(&member).map_or(ClusterVersion::FIRST, |one| one.version);
        members.into_iter().map(announced).min().unwrap_or(ClusterVersion::FIRST)
    }

    /// Raises the version of a cluster with these members, if all of them have announced it. It never goes down. Returns
    /// whether it rose.
    pub(crate) fn raise(&mut self, version: ClusterVersion, members: impl IntoIterator<Item = u64>) -> bool {
        let rises = version > self.cluster && version <= self.common(members);
        if rises {
            self.cluster = version;
        }
        rises
    }

    /// Takes a row. Panics on one that the store did not write.
    pub(super) fn load(&mut self, row: &RowKey, value: &[u8]) {
        let read = "a row of versions is what the store encoded";
        if row.key[..] == CLUSTER[..] {
            self.cluster = cluster_of(value);
        } else {
            self.announced.insert(rows::number(row), Announced::decode(Bytes::copy_from_slice(value)).expect(read));
        }
    }
}

/// The key of the row of the cluster's version. It is shorter than the id of a member.
const CLUSTER: &[u8; 7] = b"cluster";

/// The row of the cluster's version.
pub(super) fn cluster_row(store: StoreId, version: ClusterVersion) -> (RowKey, Bytes) {
    (RowKey::new(store, rows::VERSIONS, CLUSTER), Bytes::copy_from_slice(&version.0.to_le_bytes()))
}

/// The name of the row with what a member has announced.
pub(super) fn member_row(store: StoreId, member: u64) -> RowKey {
    RowKey::new(store, rows::VERSIONS, &member.to_be_bytes())
}

fn cluster_of(value: &[u8]) -> ClusterVersion {
    ClusterVersion(u32::from_le_bytes(value.try_into().expect("the row of the cluster's version has 4 bytes")))
}

/// The cluster's version in a local store. Whoever opens a local store reads this first, because a store with a higher
/// version than this build understands may have rows that this build cannot read.
pub(crate) fn stored_version(reader: &StoreReader, store: StoreId) -> ClusterVersion {
    let (name, _) = cluster_row(store, ClusterVersion::FIRST);
    reader.get(&name).map_or(ClusterVersion::FIRST, |value| cluster_of(&value))
}

impl Announced {
    pub(super) fn encode(self) -> Bytes {
        let mut out = BytesMut::with_capacity(20);
        out.put_u32_le(self.version.0);
        out.put_u64_le(self.by.storage.0);
        out.put_u64_le(self.by.boot.0);
        out.freeze()
    }

    /// Takes what [`Self::encode`] made. More may follow it.
    pub(super) fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        let version = ClusterVersion(r.u32()?);
        let by = Incarnation { storage: StorageId(r.u64()?), boot: Boot(r.u64()?) };
        Ok(Self { by, version })
    }

    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes, "row of a member's version");
        let announced = Self::take(&mut r)?;
        r.end()?;
        Ok(announced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(version: u32) -> Announced {
        Announced { by: Incarnation { storage: StorageId(5), boot: Boot(6) }, version: ClusterVersion(version) }
    }

    #[test]
    fn the_version_rises_to_what_all_members_have_announced_and_never_goes_down() {
        let (mut versions, members) = (Versions::default(), [1, 2, 3]);
        versions.announce(1, told(3));
        versions.announce(2, told(2));
        assert!(!versions.raise(ClusterVersion(2), members), "member 3 has announced nothing");
        versions.announce(3, told(1));
        assert!(!versions.raise(ClusterVersion(2), members), "member 3 understands only the first version");
        versions.announce(3, told(2));
        assert!(!versions.raise(ClusterVersion(3), members), "only one member understands it");
        assert!(versions.raise(ClusterVersion(2), members));
        assert!(!versions.raise(ClusterVersion(1), members) && !versions.raise(ClusterVersion(2), members));
        assert_eq!(versions.cluster(), ClusterVersion(2));
    }

    #[test]
    fn a_member_with_a_new_data_directory_has_announced_nothing() {
        let mut versions = Versions::default();
        [1, 2].into_iter().for_each(|member| versions.announce(member, told(2)));
        assert_eq!(versions.common([1, 2]), ClusterVersion(2));
        versions.forget(2);
        assert_eq!(versions.common([1, 2]), ClusterVersion::FIRST);
        assert_eq!(versions.common([1]), ClusterVersion(2), "a member that was removed does not count");
    }

    #[test]
    fn rows_come_back() {
        let (mut versions, mut loaded) = (Versions::default(), Versions::default());
        versions.announce(7, told(2));
        versions.raise(ClusterVersion(2), [7]);
        let (name, value) = cluster_row(StoreId(0), versions.cluster());
        loaded.load(&name, &value);
        loaded.load(&member_row(StoreId(0), 7), &told(2).encode());
        assert_eq!(loaded, versions);
    }
}

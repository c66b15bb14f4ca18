//! [`Kept`]: the members, the version and the revision in the rows of a store, read without its key space.

use std::collections::{BTreeMap, BTreeSet};

use naxos_engines::StoreReader;
use naxos_proto::etcd::server::etcdserverpb::Member;
use naxos_proto::ids::StoreId;
use naxos_proto::release::ClusterVersion;
use prost::Message;

use super::rows::{self, Counters, each_row, number};
use super::versions::stored_version;

/// See the module.
pub(crate) struct Kept {
    pub(crate) revision: i64,
    pub(crate) members: BTreeMap<u64, Member>,
    pub(crate) removed: BTreeSet<u64>,
    /// The cluster's version.
    pub(crate) version: ClusterVersion,
}

/// Reads the rows. Panics on a row that the store did not write.
pub(crate) fn read_kept(reader: &StoreReader, store: StoreId) -> Kept {
    let mut kept = Kept {
        revision: 1,
        members: BTreeMap::new(),
        removed: BTreeSet::new(),
        version: stored_version(reader, store),
    };
    each_row(reader, store, rows::MEMBERS, |row, value| {
        let member = Member::decode(value).expect("the store's members are what it encoded");
        kept.members.insert(number(&row), member);
    });
    each_row(reader, store, rows::REMOVED, |row, _| {
        kept.removed.insert(number(&row));
    });
    if let Some(row) = reader.get(&rows::state(store)) {
        kept.revision = Counters::decode(row).expect("the store's counters are what it encoded").revision;
    }
    kept
}

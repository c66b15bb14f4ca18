//! [`Writer`]: the changes that one command makes to the key space and to its rows.
//!
//! What the commands do is in the files beside this one: `write_keys`, `write_leases`, `write_members`,
//! `write_recovery`, `write_versions`.

use naxos_engines::Txn;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::release::ClusterVersion;

use crate::state::effects::{Effect, Effects};
use crate::state::kv::fetched_rows::ApplyRows;
use crate::state::lease::keeper::Keeper;
use crate::state::store::Store;

/// The message of the panic if a value is missing. No value can be missing: values that are not in memory are fetched
/// before the key space is locked.
pub(super) const FETCHED: &str = "the values that a command needs were fetched before it";

/// Something to tell the listener after the commit.
pub(super) enum Note {
    Granted(i64, i64),
    Ended(i64),
    Keeper(Keeper),
    Compacted(i64),
    /// The members or their seats have changed.
    Membership,
    /// The version of the cluster rose.
    Version(ClusterVersion),
}

/// One command while it changes the store.
pub(crate) struct Writer<'a, 'b> {
    pub(crate) store: &'a mut Store,
    pub(super) rows: &'a mut Txn<'b>,
    /// The rows that the command needs.
    pub(crate) fetched: ApplyRows<'a>,
    /// The store's revision before the command.
    pub(super) base: i64,
    /// The number of changes so far: the sub revision of the next one.
    pub(super) sub: u32,
    pub(super) effects: Vec<Effect>,
    pub(super) notes: &'a mut Vec<Note>,
}

impl<'a, 'b> Writer<'a, 'b> {
    /// Begins a command.
    pub(super) fn new(
        store: &'a mut Store,
        rows: &'a mut Txn<'b>,
        fetched: ApplyRows<'a>,
        notes: &'a mut Vec<Note>,
    ) -> Self {
        Self { base: store.revision, sub: 0, effects: Vec::new(), notes, fetched, rows, store }
    }

    /// Ends the command. Returns its changes of keys; `None` if it changed no key, and so took no revision.
    pub(super) fn finish(self) -> Option<Effects> {
        if self.effects.is_empty() {
            return None;
        }
        self.store.revision = self.base + 1;
        Some(Effects { store: self.store.id, revision: self.store.revision, changes: self.effects })
    }

    /// The revision that an answer's header shows at this point of the command.
    pub(crate) fn revision(&self) -> i64 {
        if self.sub > 0 { self.base + 1 } else { self.base }
    }

    pub(super) fn header(&self) -> Option<pb::ResponseHeader> {
        Some(pb::ResponseHeader { revision: self.revision(), ..Default::default() })
    }
}

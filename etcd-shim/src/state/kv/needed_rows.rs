//! Which rows a command will need. It needs the row of a value if it reads, replaces or deletes that value, and memory
//! does not hold the value.

use std::ops::ControlFlow;

use naxos_engines::StoreReader;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::server::etcdserverpb::request_op::Request;
use naxos_proto::etcd::txn_request::TxnRequest;

use super::collect::collect;
use super::fetched_rows::{Fetched, Lookup, fetch};
use super::range_request::{revision_to_read, wanted};
use super::txn_path::Path;
use crate::state::command::Command;
use crate::state::index::key_entry::{Found, KeyEntry, Live};
use crate::state::index::keys::Keys;
use crate::state::index::row_source::RowSource;
use crate::state::store::{SharedStore, Store};

/// Fetches the rows that `command` will need. The lock of the key space is not held during a read of the disk.
pub(crate) fn fetch_for(shared: &SharedStore, reader: &StoreReader, command: &Command) -> Fetched {
    let is_in_memory = shared.read().is_all_resident();
    match command {
        Command::Txn(r) if !is_in_memory || reads_past(r) => {
            fetch(shared, reader, |store, rows| look_at_txn(store, r, rows))
        }
        _ if is_in_memory => Fetched::default(),
        Command::Put(r) => fetch(shared, reader, |store, rows| look_at(store, store.live(&r.key), rows)),
        Command::DeleteRange(r) => {
            fetch(shared, reader, |store, rows| look_at_range(store, &r.key, &r.range_end, rows))
        }
        Command::LeaseRevoke(pb::LeaseRevokeRequest { id }) | Command::LeaseExpire { id, .. } => {
            fetch(shared, reader, |store, rows| {
                let lease = store.leases.get(id);
                lease.iter().flat_map(|l| &l.keys).for_each(|key| look_at(store, store.live(key), rows));
            })
        }
        _ => Fetched::default(),
    }
}

/// Fetches the rows for a read-only transaction.
pub(crate) fn fetch_for_reads(shared: &SharedStore, reader: &StoreReader, r: &TxnRequest) -> Fetched {
    fetch(shared, reader, |store, rows| look_at_txn(store, r, rows))
}

/// Whether a transaction, or one nested in it, reads an old revision.
fn reads_past(r: &TxnRequest) -> bool {
    r.success.iter().chain(&r.failure).any(|op| match &op.request {
        Some(Request::RequestRange(r)) => r.revision > 0,
        Some(Request::RequestTxn(t)) => reads_past(t),
        _ => false,
    })
}

fn look_at(store: &Store, live: Option<&Live>, rows: &Lookup<'_>) {
    if let Some(live) = live.filter(|l| l.resident().is_none()) {
        rows.row(store.id, live.at);
    }
}

fn look_at_range(store: &Store, key: &[u8], range_end: &[u8], rows: &Lookup<'_>) {
    match Keys::new(key, range_end) {
        Keys::One(key) => look_at(store, store.live(key), rows),
        Keys::Range(from, below) => store.keys.visit(from, below, |entry| {
            look_at(store, entry.live.as_ref(), rows);
            ControlFlow::Continue(())
        }),
    }
}

/// What the operations so far have written, while a transaction is looked at.
#[derive(Default)]
struct Written {
    /// Some operation writes.
    something: bool,
    /// An upper bound of the number of deleted keys. A key may be counted that does not exist or was deleted before.
    deleted: usize,
}

/// Looks only at the branches that will be taken: the compares, which are evaluated first, decide which ones.
fn look_at_txn(store: &Store, r: &TxnRequest, rows: &Lookup<'_>) {
    if let Some(path) = Path::of(store, r, rows) {
        look_along(store, r, &path, &mut Written::default(), rows);
    }
}

fn look_along(store: &Store, r: &TxnRequest, path: &Path, written: &mut Written, rows: &Lookup<'_>) {
    let mut nested = path.nested();
    for op in path.branch(r) {
        match &op.request {
            Some(Request::RequestRange(r)) if written.something && r.revision > 0 => look_at_past(store, r, rows),
            Some(Request::RequestRange(r)) => {
                // Where a key is deleted before the range is read, a limited answer has a later key in its place.
                let limit = if r.limit > 0 { r.limit.saturating_add_unsigned(written.deleted as u64) } else { r.limit };
                // A range that will be refused needs no rows.
                if let Ok(found) = collect(store, &pb::RangeRequest { limit, ..r.clone() }, store.revision) {
                    found.look_at_rows(rows);
                }
            }
            Some(Request::RequestPut(r)) => {
                look_at(store, store.live(&r.key), rows);
                written.something = true;
            }
            Some(Request::RequestDeleteRange(r)) => {
                look_at_range(store, &r.key, &r.range_end, rows);
                written.something = true;
                written.deleted += match Keys::new(&r.key, &r.range_end) {
                    Keys::One(_) => 1,
                    Keys::Range(from, below) => store.keys.weight_of(from, below),
                };
            }
            Some(Request::RequestTxn(t)) => {
                look_along(store, t, nested.next().expect("made with the path"), written, rows);
            }
            None => {}
        }
    }
}

/// Looks at the rows of all pairs that a read of an old revision finds, including those whose value memory holds now. If
/// an operation before the read replaces or deletes such a value, memory holds it no longer, and the read needs its row.
fn look_at_past(store: &Store, r: &pb::RangeRequest, rows: &Lookup<'_>) {
    let Ok(revision) = revision_to_read(r.revision, store.revision, store.compacted) else { return };
    if r.count_only {
        return;
    }
    let mut left = wanted(r);
    let mut each = |entry: &KeyEntry| {
        let Some(found) = entry.at(revision) else { return ControlFlow::Continue(()) };
        if left == 0 {
            return ControlFlow::Break(());
        }
        left -= 1;
        rows.row(
            store.id,
            match found {
                Found::Live(live) => live.at,
                Found::Row(at) => at,
            },
        );
        ControlFlow::Continue(())
    };
    match Keys::new(&r.key, &r.range_end) {
        Keys::One(key) => drop(store.keys.get(key).map(|entry| each(entry))),
        Keys::Range(from, below) => store.keys.visit(from, below, |entry| each(entry)),
    }
}

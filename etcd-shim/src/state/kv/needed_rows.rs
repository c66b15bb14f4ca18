//! Which rows a command will need. It needs the row of a value if it reads, replaces or deletes that value, and memory
//! does not hold the value.

use std::ops::ControlFlow;

use naxos_engines::StoreReader;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::server::etcdserverpb::request_op::Request;
use naxos_proto::etcd::txn_request::TxnRequest;

use super::collect::collect;
use super::fetched_rows::{Fetched, Lookup, fetch};
use super::txn_path::Path;
use crate::state::command::Command;
use crate::state::index::key_entry::Live;
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

/// Looks only at the branches that will be taken: the compares, which are evaluated first, decide which ones.
fn look_at_txn(store: &Store, r: &TxnRequest, rows: &Lookup<'_>) {
    if let Some(path) = Path::of(store, r, rows) {
        look_along(store, r, &path, rows);
    }
}

fn look_along(store: &Store, r: &TxnRequest, path: &Path, rows: &Lookup<'_>) {
    let mut nested = path.nested();
    for op in path.branch(r) {
        match &op.request {
            // A range that will be refused needs no rows.
            Some(Request::RequestRange(r)) => {
                if let Ok(found) = collect(store, r, store.revision) {
                    found.look_at_rows(rows);
                }
            }
            Some(Request::RequestPut(r)) => look_at(store, store.live(&r.key), rows),
            Some(Request::RequestDeleteRange(r)) => look_at_range(store, &r.key, &r.range_end, rows),
            Some(Request::RequestTxn(t)) => look_along(store, t, nested.next().expect("made with the path"), rows),
            None => {}
        }
    }
}

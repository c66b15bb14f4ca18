//! Transactions that only read: they are answered beside apply, and take no entry in the log.

use naxos_engines::StoreReader;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::server::etcdserverpb::request_op::Request;
use naxos_proto::etcd::server::etcdserverpb::response_op::Response;
use naxos_proto::etcd::txn_request::TxnRequest;

use super::collect::collect;
use super::fetched_rows::Fetched;
use super::needed_rows::fetch_for_reads;
use super::txn_check::check;
use super::txn_path::Path;
use crate::state::error::EtcdError;
use crate::state::store::{SharedStore, Store};

/// Carries out a transaction that only reads, beside apply. `Err(None)` if `rows` lacks a value.
pub(crate) fn execute_reads(
    store: &Store,
    r: &TxnRequest,
    rows: &Fetched,
) -> Result<pb::TxnResponse, Option<EtcdError>> {
    let path = Path::of(store, r, rows).ok_or(None)?;
    check(store, r, &path)?;
    let mut responses = Vec::new();
    for op in path.branch(r) {
        let Some(Request::RequestRange(range)) = &op.request else { continue };
        let found = collect(store, range, store.revision)?;
        let response = Some(Response::ResponseRange(found.finish(range, rows).ok_or(None)?));
        responses.push(pb::ResponseOp { response });
    }
    let header = pb::ResponseHeader { revision: store.revision, ..Default::default() };
    Ok(pb::TxnResponse { header: Some(header), succeeded: path.succeeded, responses })
}

/// Does what [`execute_reads`] does, after fetching the rows that it needs; so it must not run on a thread that serves
/// requests. Starts again if writes or compactions have changed which rows are needed in the meantime.
pub(crate) fn execute_reads_beside(
    shared: &SharedStore,
    r: &TxnRequest,
    reader: &StoreReader,
) -> Result<pb::TxnResponse, EtcdError> {
    loop {
        let fetched = fetch_for_reads(shared, reader, r);
        match execute_reads(&shared.read(), r, &fetched) {
            Ok(answer) => return Ok(answer),
            Err(Some(refused)) => return Err(refused),
            Err(None) => {}
        }
    }
}

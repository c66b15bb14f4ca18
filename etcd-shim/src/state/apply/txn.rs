//! Carries out the operations of a transaction, in order, all at one revision.

use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::server::etcdserverpb::request_op::Request;
use naxos_proto::etcd::server::etcdserverpb::response_op::Response;
use naxos_proto::etcd::txn_request::TxnRequest;

use super::writer::{FETCHED, Writer};
use crate::state::error::EtcdError;
use crate::state::kv::collect::collect;
use crate::state::kv::txn_path::Path;

/// Carries out the operations of the branches that `path` takes. `txn_check` must have accepted them.
pub(crate) fn execute(writer: &mut Writer<'_, '_>, r: &TxnRequest, path: &Path) -> Result<pb::TxnResponse, EtcdError> {
    let mut nested = path.nested();
    let mut responses = Vec::with_capacity(path.branch(r).len());
    for op in path.branch(r) {
        let response = match &op.request {
            Some(Request::RequestRange(r)) => {
                let found = collect(writer.store, r, writer.revision())?;
                Some(Response::ResponseRange(found.finish(r, &writer.fetched).expect(FETCHED)))
            }
            Some(Request::RequestPut(r)) => Some(Response::ResponsePut(writer.put(r)?)),
            Some(Request::RequestDeleteRange(r)) => Some(Response::ResponseDeleteRange(writer.delete_range(r))),
            Some(Request::RequestTxn(t)) => {
                let path = nested.next().expect("the path has a part for each nested transaction");
                let mut response = execute(writer, t, path)?;
                // The answer of a nested transaction has an empty header.
                response.header = Some(pb::ResponseHeader::default());
                Some(Response::ResponseTxn(response))
            }
            None => None,
        };
        responses.push(pb::ResponseOp { response });
    }
    let header = pb::ResponseHeader { revision: writer.revision(), ..Default::default() };
    Ok(pb::TxnResponse { header: Some(header), succeeded: path.succeeded, responses })
}

//! Checks a transaction against the state before any of its operations changes something.

use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::server::etcdserverpb::request_op::Request;
use naxos_proto::etcd::txn_request::TxnRequest;

use super::txn_path::Path;
use crate::state::error::EtcdError;
use crate::state::index::keys::Keys;
use crate::state::store::Store;

/// Checks the operations of the branches that `path` takes, so that none of them has to be refused after the first has
/// changed something.
pub(crate) fn check(store: &Store, r: &TxnRequest, path: &Path) -> Result<(), EtcdError> {
    check_after(store, r, path, &mut Vec::new())
}

/// `deleted` has the ranges that earlier operations delete. `validate` refuses a put to a range that the transaction
/// deletes, but does not notice this if the range has no end. So a later put may find that its key is gone (etcd 3.6.16
/// panics then).
fn check_after<'a>(
    store: &Store,
    r: &'a TxnRequest,
    path: &Path,
    deleted: &mut Vec<Keys<'a>>,
) -> Result<(), EtcdError> {
    let mut nested = path.nested();
    for op in path.branch(r) {
        match &op.request {
            Some(Request::RequestRange(r)) if r.revision > store.revision => return Err(EtcdError::FutureRevision),
            Some(Request::RequestRange(r)) if r.revision != 0 && r.revision < store.compacted => {
                return Err(EtcdError::Compacted);
            }
            Some(Request::RequestPut(r)) => check_put(store, r, deleted)?,
            Some(Request::RequestDeleteRange(r)) => deleted.push(Keys::new(&r.key, &r.range_end)),
            Some(Request::RequestTxn(t)) => {
                check_after(store, t, nested.next().expect("made with the path"), deleted)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_put(store: &Store, r: &pb::PutRequest, deleted: &[Keys<'_>]) -> Result<(), EtcdError> {
    let gone = || store.live(&r.key).is_none() || deleted.iter().any(|d| d.contains(&r.key));
    if (r.ignore_value || r.ignore_lease) && gone() {
        return Err(EtcdError::KeyNotFound);
    }
    if r.lease != 0 && !store.leases.contains_key(&r.lease) {
        return Err(EtcdError::LeaseNotFound);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::StoreId;

    use super::*;
    use crate::state::index::key_entry::Live;
    use crate::state::index::key_entry::Value;
    use crate::state::index::revision_key::RevisionKey;
    use crate::state::kv::fetched_rows::Fetched;

    #[test]
    fn a_put_that_keeps_the_value_is_refused_if_the_transaction_has_deleted_the_key() {
        let mut store = Store::new(StoreId(0), usize::MAX);
        let at = RevisionKey { main: 2, sub: 0 };
        let live = Live { at, create: 2, version: 1, lease: 0, value: Value::Resident(bytes::Bytes::new()) };
        assert!(store.put(b"k", |_| Ok::<_, ()>(live)).is_ok());
        let op = |request| pb::RequestOp { request: Some(request) };
        let delete = pb::DeleteRangeRequest { key: "a".into(), range_end: "\0".into(), prev_kv: false };
        let put = pb::PutRequest { key: "k".into(), ignore_value: true, ..Default::default() };
        let delete = op(Request::RequestDeleteRange(delete));
        let put = op(Request::RequestPut(put));
        let checked = |success: Vec<pb::RequestOp>| {
            let r = TxnRequest { success, ..Default::default() };
            check(&store, &r, &Path::of(&store, &r, &Fetched::default()).expect("nothing is compared"))
        };
        assert_eq!(checked(vec![put.clone(), delete.clone()]), Ok(()));
        assert_eq!(checked(vec![delete, put]), Err(EtcdError::KeyNotFound));
    }
}

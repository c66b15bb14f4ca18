//! Transactions that only read and that need values which only the disk has.

use naxos_engines::StoreReader;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::txn_request::TxnRequest;

use super::error::EtcdError;
use super::needed_rows::fetch_for_reads;
use super::store::SharedStore;
use super::txn::execute_reads;

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

//! [`RowSource`]: finds values that memory does not hold.

use bytes::Bytes;
use naxos_proto::ids::StoreId;

use super::revision_key::RevisionKey;

/// Finds the encoded `KeyValue` that was written at a revision.
pub(crate) trait RowSource {
    /// The row of the change at `at`. `None` if it is not in this source, or not any more.
    fn row(&self, store: StoreId, at: RevisionKey) -> Option<Bytes>;
}

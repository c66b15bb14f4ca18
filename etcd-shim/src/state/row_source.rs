//! [`RowSource`]: where values come from that memory does not hold.

use bytes::Bytes;
use naxos_proto::ids::StoreId;

use super::revision_key::RevisionKey;

/// Finds the encoded `KeyValue` that was written at a revision.
pub(crate) trait RowSource {
    /// `None`: it is not here, or no longer.
    fn row(&self, store: StoreId, at: RevisionKey) -> Option<Bytes>;
}

//! [`Applicator`]: the contract to the layer below.

use naxos_proto::ids::Lsn;

use crate::entry::Entry;
use crate::local_store::Txn;

/// The way up. Apply is a function of the log (safety rule 9): no await, no clock, no randomness.
pub trait Applicator: Send + 'static {
    /// What apply yields; only a living proposer waits for it.
    type Output: Send;

    /// Applies one entry within the transaction of its position.
    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, entry: &Entry) -> Self::Output;

    /// After the commit: the only place where soft state changes.
    fn post_apply(&mut self, lsn: Lsn, output: Self::Output);
}

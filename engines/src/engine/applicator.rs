//! [`Applicator`]: the contract of an engine with the layer below it.

use naxos_proto::ids::Lsn;

use crate::entry::Entry;
use crate::local_store::Txn;

/// The calls that go up the stack. The result of apply depends on the log alone (safety rule 9): no await, no clock,
/// no randomness.
pub trait Applicator: Send + 'static {
    /// The output of apply, which is passed to `post_apply`. It is not stored: only the process that proposed the entry
    /// answers its callers with it.
    type Output: Send;

    /// Applies one entry, in the transaction of its position.
    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, entry: &Entry) -> Self::Output;

    /// Whether apply of an entry that costs little ([`ApplyCost::Small`](super::ApplyCost)) would neither read the disk nor
    /// wait for a reader now. An engine asks the one above it.
    fn is_free(&self) -> bool;

    /// Called after the commit. The upper half of an engine may change the soft state that it shares with the lower
    /// half only here, and not in [`Self::apply`].
    fn post_apply(&mut self, lsn: Lsn, output: Self::Output);
}

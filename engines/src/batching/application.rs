//! The application that runs on top of the stack.

use bytes::Bytes;
use naxos_proto::ids::Lsn;

use crate::engine::ProposeError;
use crate::local_store::Txn;

/// The application on top of the stack. The node's state machine implements it.
pub trait Application: Send + 'static {
    /// The output of a command.
    type Output: Send + 'static;

    /// Applies command `index` of the entry at `lsn`. The result must depend on the log alone. Validate before
    /// writing, so that a refused command leaves no trace.
    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, index: u32, command: Bytes) -> Self::Output;

    /// See [`Applicator::is_free`](crate::Applicator::is_free).
    fn is_free(&self) -> bool {
        true
    }

    /// Called after the last command of an entry, in the same transaction: writes what belongs to the entry as a
    /// whole.
    fn end_entry(&mut self, txn: &mut Txn<'_>);

    /// Called after the entry's commit and before the callers get their outputs, for work that must be done by then.
    fn post_apply(&mut self, lsn: Lsn);

    /// Called after the callers got their outputs, for work that they need not wait for.
    fn after_replies(&mut self) {}
}

/// What a caller receives for its command.
pub type Reply<O> = Result<O, ProposeError>;

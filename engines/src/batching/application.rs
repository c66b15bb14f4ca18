//! What runs on top of the stack.

use bytes::Bytes;
use naxos_proto::ids::Lsn;

use crate::engine::ProposeError;
use crate::local_store::Txn;

/// The application on top of the stack.
pub trait Application: Send + 'static {
    /// What a command yields.
    type Output: Send + 'static;

    /// Applies command `index` of the entry at `lsn`. A function of the log; validates before it writes, so that a
    /// refused command leaves no trace.
    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, index: u32, command: Bytes) -> Self::Output;

    /// After the last command of an entry, in its transaction: writes what belongs to the entry as a whole.
    fn end_entry(&mut self, txn: &mut Txn<'_>);

    /// After the entry's commit: publishes its effects to readers and watchers.
    fn post_apply(&mut self, lsn: Lsn);

    /// After the outputs went to their callers: what need not hold them up.
    fn after_replies(&mut self) {}
}

/// What a caller waits for.
pub type Reply<O> = Result<O, ProposeError>;

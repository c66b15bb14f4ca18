//! [`Proposal`]: an entry on its way down.

use naxos_proto::completion::Completion;
use naxos_proto::ids::Lsn;

use super::propose_error::ProposeError;
use crate::entry::Entry;

/// A proposal on its way down.
#[derive(Debug)]
pub struct Proposal {
    /// What goes into the log.
    pub entry: Entry,
    /// Client commands in it, at least 1.
    pub commands: u32,
    /// Called once the entry is applied here, after the last `post_apply`, with its position; or with the reason why it
    /// is not. Dropped, it says that the outcome is unknown. The proposer gets the output in its own `post_apply`: no
    /// future has to be polled on the way up (`docs/adr/0001`).
    pub settled: Completion<Result<Lsn, ProposeError>>,
}

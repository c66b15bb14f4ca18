//! [`Proposal`]: an entry on its way down.

use naxos_proto::completion::Completion;
use naxos_proto::ids::Lsn;

use super::apply_cost::ApplyCost;
use super::propose_error::ProposeError;
use crate::entry::Entry;

/// An entry on its way down the stack to the log.
#[derive(Debug)]
pub struct Proposal {
    /// The entry for the log.
    pub entry: Entry,
    /// Number of client commands in it, at least 1.
    pub commands: u32,
    /// How long apply takes for them together.
    pub cost: ApplyCost,
    /// Called after the entry was applied here and the last `post_apply` has run, with the entry's position; or with
    /// the reason why it was not applied. If it is dropped without a call, the outcome is unknown. The proposer gets
    /// the output of apply in its own `post_apply`, so no future has to be polled on the way up (`docs/adr/0001`).
    pub settled: Completion<Result<Lsn, ProposeError>>,
}

//! The shared log: what engines see of everything below them.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell};
use naxos_proto::ids::Lsn;

/// One position that holds a value. Junk positions are skipped by readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its position.
    pub lsn: Lsn,
    /// What was appended.
    pub payload: Bytes,
}

/// Why the log did not answer a read, a tail check or a trim.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The positions are gone: start from a snapshot.
    #[error("the log is trimmed up to {0}")]
    Trimmed(Lsn),
    /// A record is damaged on every unit that has it, or on none.
    #[error("the record at {0} cannot be read from any storage unit: {1}")]
    Lost(Lsn, String),
    /// Try again.
    #[error("the log is not available: {0}")]
    Unavailable(String),
}

/// A totally ordered, durable log.
pub trait SharedLog: Send + Sync {
    /// Appends a batch at consecutive positions. Enqueues when called: the order of calls is the order in the log and
    /// acknowledgements come in that order. `done` gets the first position once everything up to the batch's end is
    /// durable on a write quorum. [`AppendError::Sealed`] never comes out: the log goes on in the next segment.
    fn append(&self, batch: Vec<Cell>, done: Completion<Result<Lsn, AppendError>>);

    /// The first position that is not durable: not below any append that was acknowledged before the call.
    /// # Cancel safety: nothing is changed.
    fn check_tail(&self) -> BoxFuture<'_, Result<Lsn, LogError>>;

    /// As [`Self::check_tail`], from memory and without yielding, where the active loglet is wholly in this process.
    fn check_tail_now(&self) -> Option<Lsn>;

    /// Records from `from` on and below `below`, which must not lie above a checked tail; stops after about
    /// `max_bytes`. Also answers the position to go on from.
    fn read(&self, from: Lsn, below: Lsn, max_bytes: usize) -> BoxFuture<'_, Result<(Vec<Record>, Lsn), LogError>>;

    /// Records from `from` on as they become known to be committed, across segments; each item also says from where the
    /// next one goes on, which passes over positions without a record. Never a record beyond the end that the chain gives
    /// its segment. Bounded: a slow follower reads later what it has not taken. An error ends the stream; follow again
    /// from where it stood.
    fn follow(self: Arc<Self>, from: Lsn) -> BoxStream<'static, Result<(Vec<Record>, Lsn), LogError>>;

    /// Forgets everything below `up_to`; may keep more than it has to. Does what it can, also where it returns an error.
    fn trim(&self, up_to: Lsn) -> BoxFuture<'_, Result<(), LogError>>;

    /// Ordinal of the active loglet; rises with every reconfiguration.
    fn ordinal(&self) -> u64;
}

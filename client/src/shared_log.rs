//! The shared log: the contract between the engines and everything below them.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell};
use naxos_proto::ids::{Lsn, StreamId};
use naxos_proto::streams::StreamTails;

/// An entry of the log and its position. Positions that hold junk have no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The position.
    pub lsn: Lsn,
    /// The bytes that were appended.
    pub payload: Bytes,
}

/// Why the log could not answer a read, a tail check or a trim.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The positions were trimmed: start from a snapshot.
    #[error("the log is trimmed up to {0}")]
    Trimmed(Lsn),
    /// No storage unit can return the record, because it is missing or damaged on all of them.
    #[error("the record at {0} cannot be read from any storage unit: {1}")]
    Lost(Lsn, String),
    /// The log cannot answer at the moment: try again.
    #[error("the log is not available: {0}")]
    Unavailable(String),
}

/// A totally ordered, durable log.
pub trait SharedLog: Send + Sync {
    /// Appends a batch at consecutive positions. It enqueues the batch before it returns, so the order of calls is the
    /// order in the log. Acknowledgements come in that order too. `done` gets the first position when everything up to
    /// the end of the batch is durable on a write quorum. The caller never gets [`AppendError::Sealed`], because the
    /// log goes on in the next segment, nor [`AppendError::Undecided`], because the chain decides.
    fn append(&self, batch: Vec<Cell>, done: Completion<Result<Lsn, AppendError>>);

    /// The first position that is not durable. It is above every append that was acknowledged before the call.
    /// # Cancel safety: nothing is changed.
    fn check_tail(&self) -> BoxFuture<'_, Result<Lsn, LogError>>;

    /// Where the newest entries of these streams are, as the sequencer of the active loglet knows it. This alone is not a
    /// linearizable answer: the caller has to check the tail afterwards, and that [`Self::ordinal`] is as before.
    /// # Cancel safety: nothing is changed.
    fn stream_tails<'a>(&'a self, _streams: &'a [StreamId]) -> BoxFuture<'a, Result<StreamTails, LogError>> {
        Box::pin(std::future::ready(Err(LogError::Unavailable("this log has no streams".to_owned()))))
    }

    /// As [`Self::check_tail`], but from memory and without waiting. `None` unless the whole active loglet is in this
    /// process, is open, and has a tail that is known to be durable.
    fn check_tail_now(&self) -> Option<Lsn>;

    /// Reads the records from `from` on and below `below`, which must not be above a checked tail. Stops after about
    /// `max_bytes`. Also returns the position from which to go on.
    fn read(&self, from: Lsn, below: Lsn, max_bytes: usize) -> BoxFuture<'_, Result<(Vec<Record>, Lsn), LogError>>;

    /// A stream of the records from `from` on, across segments, as they become known to be committed. Each item also
    /// says at which position the next item begins, because positions without a record are skipped. The chain says
    /// where a segment ends. A record of that segment at or above this end is never sent. Memory is bounded: records
    /// that a slow follower has not taken are read later. An error ends the stream; the caller may follow again from
    /// the position that the last item gave.
    fn follow(self: Arc<Self>, from: Lsn) -> BoxStream<'static, Result<(Vec<Record>, Lsn), LogError>>;

    /// No record that this log keeps for its users is below this position, as far as this process knows.
    fn oldest(&self) -> Lsn {
        Lsn::ZERO
    }

    /// Forgets everything below `up_to`. It may keep more than necessary, and does what it can even if it returns an
    /// error.
    fn trim(&self, up_to: Lsn) -> BoxFuture<'_, Result<(), LogError>>;

    /// The ordinal of the active loglet. It rises with every reconfiguration.
    fn ordinal(&self) -> u64;
}

//! [`Entry`]: an entry of a log that a program uses directly.

use bytes::Bytes;
use naxos_proto::ids::{Lsn, StreamId};
use naxos_proto::streams::{BackPointers, StreamHeader};

use crate::shared_log::{LogError, Record};

/// An entry of a log that a program uses directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The position of the entry in the log.
    pub position: Lsn,
    /// The bytes that were appended.
    pub body: Bytes,
    header: StreamHeader,
}

impl Entry {
    /// The entry of a record. `None` if the record was not appended through a [`Log`](super::Log): the log may hold records
    /// of others, for example commands of a store.
    ///
    /// # Errors
    /// If the record claims to have a header but has none.
    pub(super) fn of(record: Record) -> Result<Option<Self>, LogError> {
        if !StreamHeader::is_in(&record.payload) {
            return Ok(None);
        }
        let position = record.lsn;
        match StreamHeader::decode(record.payload) {
            Ok((header, body)) => Ok(Some(Self { position, body, header })),
            Err(error) => Err(LogError::Lost(position, error.to_string())),
        }
    }

    /// The streams that the entry belongs to, ascending.
    pub fn streams(&self) -> impl Iterator<Item = StreamId> + '_ {
        self.header.streams.iter().map(|(stream, _)| *stream)
    }

    /// Whether the entry belongs to `stream`.
    pub fn is_in(&self, stream: StreamId) -> bool {
        self.streams().any(|id| id == stream)
    }

    /// Where the entries of `stream` before this one are, as far as the entry says it.
    pub(super) fn before(&self, stream: StreamId) -> BackPointers {
        self.header.of(stream).cloned().unwrap_or_else(|| BackPointers::below(self.position))
    }
}

//! The MetaStore: one versioned register. Consensus happens nowhere else (Delos, OSDI'20, section 3.2).

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::ids::ChainVersion;

/// The register's value and its version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versioned {
    /// Zero if nothing was ever put.
    pub version: ChainVersion,
    /// Empty if the version is zero.
    pub bytes: Bytes,
}

/// The register's answer to a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// The value was put; the register now has this version.
    Ok(ChainVersion),
    /// Nothing was put, because the register had another version. This is its value.
    Conflict(Versioned),
}

/// Why the register did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetaError {
    /// Not done: a read found no leader with a quorum in time, or a replica's storage unit takes no records now, for
    /// example because its disk is full. Try again.
    #[error("the metadata store is not available: {0}")]
    Unavailable(String),
    /// The put may or may not have happened: read the register to find out.
    #[error("it is unknown whether the metadata store took the value: {0}")]
    Unknown(String),
    /// The value is over the limit.
    #[error("a metadata value has at most {max} bytes, this one has {len}")]
    TooLarge {
        /// Length of the value in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
}

/// The register. It is read at start and at reconfiguration, never for an append.
/// # Cancel safety
/// A put whose future is dropped may or may not have happened.
pub trait MetaStore: Send + Sync {
    /// Reads the value through a quorum. It is never older than any put that was answered before the call.
    fn get(&self) -> BoxFuture<'_, Result<Versioned, MetaError>>;

    /// Replaces the value if it still has version `expected`. On success the new value is durable on a quorum.
    fn put(&self, expected: ChainVersion, bytes: Bytes) -> BoxFuture<'_, Result<PutOutcome, MetaError>>;
}

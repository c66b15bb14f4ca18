//! The register in memory, for tests and for virtual logs that live only as long as their process.

use futures::future::BoxFuture;
use naxos_proto::contracts::{MetaError, MetaStore, PutOutcome, Versioned};
use naxos_proto::ids::ChainVersion;
use parking_lot::Mutex;

/// A register in memory; see the module.
#[derive(Default)]
pub struct MemoryMetaStore(Mutex<Versioned>);

impl MetaStore for MemoryMetaStore {
    fn get(&self) -> BoxFuture<'_, Result<Versioned, MetaError>> {
        let value = self.0.lock().clone();
        Box::pin(std::future::ready(Ok(value)))
    }

    fn put(&self, expected: ChainVersion, bytes: bytes::Bytes) -> BoxFuture<'_, Result<PutOutcome, MetaError>> {
        let mut value = self.0.lock();
        let outcome = if value.version == expected {
            *value = Versioned { version: ChainVersion(expected.0 + 1), bytes };
            PutOutcome::Ok(value.version)
        } else {
            PutOutcome::Conflict(value.clone())
        };
        Box::pin(std::future::ready(Ok(outcome)))
    }
}

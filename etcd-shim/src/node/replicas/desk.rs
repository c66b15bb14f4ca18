//! [`ChecksumDesk`]: tells the checksums of this replica.

use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use naxos_proto::contracts::{ChecksumMark, Checksums, ChecksumsError, HistoryHashes};
use tokio::sync::Semaphore;

use crate::backend::Backend;
use crate::state::kv::history_pass::HistoryPass;

/// A place for the checksums of this replica. Nothing can be told before the node has replayed the log.
pub(in crate::node) struct ChecksumDesk {
    backend: OnceLock<Arc<Backend>>,
    /// One pass over the history at a time.
    passes: Semaphore,
}

impl Default for ChecksumDesk {
    fn default() -> Self {
        Self { backend: OnceLock::new(), passes: Semaphore::new(1) }
    }
}

impl ChecksumDesk {
    /// Tells the checksums of this node from now on.
    pub(in crate::node) fn set(&self, backend: Arc<Backend>) {
        assert!(self.backend.set(backend).is_ok(), "a node has one replica");
    }
}

impl Checksums for ChecksumDesk {
    fn marks(&self) -> BoxFuture<'_, Result<Vec<ChecksumMark>, ChecksumsError>> {
        let marks = self.backend.get().map(|backend| backend.reader.marks()).ok_or(ChecksumsError::NotYet);
        Box::pin(std::future::ready(marks))
    }

    /// The pass runs in small steps between other reads of rows, so that no client waits long for it.
    fn hashes(&self, revisions: Vec<i64>) -> BoxFuture<'_, Result<HistoryHashes, ChecksumsError>> {
        Box::pin(async move {
            let backend = self.backend.get().ok_or(ChecksumsError::NotYet)?;
            let _one = self.passes.try_acquire().map_err(|_| ChecksumsError::NotYet)?;
            let mut pass = HistoryPass::begin(&backend.store.read(), revisions);
            loop {
                let store = Arc::clone(&backend.store);
                let step = move |reader: &naxos_engines::StoreReader| {
                    let is_more = pass.step(&store, reader);
                    (pass, is_more)
                };
                let stepped = backend.cold.run(step).await;
                let (after, is_more) = stepped.map_err(|_| ChecksumsError::NotYet)?;
                pass = after;
                if !is_more {
                    return pass.finish(&backend.store).ok_or(ChecksumsError::NotYet);
                }
            }
        })
    }
}

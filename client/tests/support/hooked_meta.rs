//! [`HookedMeta`]: a register that lets something else happen before its next changes.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos_proto::contracts::{MetaError, MetaStore, PutOutcome, Versioned};
use naxos_proto::ids::ChainVersion;
use parking_lot::Mutex;

/// See the module.
pub(crate) struct HookedMeta {
    inner: Arc<dyn MetaStore>,
    before_puts: Mutex<VecDeque<BoxFuture<'static, ()>>>,
}

impl HookedMeta {
    pub(crate) fn new(inner: Arc<dyn MetaStore>) -> Self {
        Self { inner, before_puts: Mutex::default() }
    }

    /// The register without the hooks.
    pub(crate) fn inner(&self) -> Arc<dyn MetaStore> {
        Arc::clone(&self.inner)
    }

    /// `what` happens before the next change that comes through this register. A second call adds something for the
    /// change after that.
    pub(crate) fn before_put(&self, what: BoxFuture<'static, ()>) {
        self.before_puts.lock().push_back(what);
    }
}

impl MetaStore for HookedMeta {
    fn get(&self) -> BoxFuture<'_, Result<Versioned, MetaError>> {
        self.inner.get()
    }

    fn put(&self, expected: ChainVersion, bytes: Bytes) -> BoxFuture<'_, Result<PutOutcome, MetaError>> {
        Box::pin(async move {
            let before = self.before_puts.lock().pop_front();
            if let Some(before) = before {
                before.await;
            }
            self.inner.put(expected, bytes).await
        })
    }
}

//! [`Engine`]: the contract of an engine with the layer above it.

use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use naxos_client::LogError;
use naxos_proto::ids::Lsn;

use super::proposal::Proposal;

/// The calls that go down the stack. Each engine except the lowest names the engine below it and implements only the
/// calls in which it takes part. All others are passed to the engine below.
pub trait Engine: Send + Sync {
    /// The engine below. `None` for the lowest engine, which answers every call itself.
    fn below(&self) -> Option<&dyn Engine>;

    /// Enqueues the proposal before it returns, so that calls from one thread reach the log in their order.
    fn propose(&self, proposal: Proposal);

    /// Checks the log's tail and applies everything up to it. Returns the position that the local store then reflects.
    /// # Cancel safety: nothing is lost when dropped.
    fn sync(&self) -> BoxFuture<'_, Result<Lsn, LogError>> {
        self.below().expect(LOWEST).sync()
    }

    /// As [`Self::sync`], but without waiting. `None` unless the tail is known in memory and applied already.
    fn sync_now(&self) -> Option<Lsn> {
        self.below().expect(LOWEST).sync_now()
    }

    /// Allows the log to be trimmed up to `lsn`. An engine with a limit of its own passes on the lower of the two.
    fn set_trim_point(&self, lsn: Lsn) {
        self.below().expect(LOWEST).set_trim_point(lsn);
    }
}

const LOWEST: &str = "the lowest engine answers every call itself";

/// A place for the engine below. Some halves of engines are made before the engine below them exists. So the place is
/// empty at first, and is filled once, when the stack is built.
pub type Below = Arc<OnceLock<Arc<dyn Engine>>>;

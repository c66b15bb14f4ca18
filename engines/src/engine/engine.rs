//! [`Engine`]: the contract to the layer above.

use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use naxos_client::LogError;
use naxos_proto::ids::Lsn;

use super::proposal::Proposal;

/// The way down. Each engine but the lowest says which engine is below it, and writes only the calls that it cares about:
/// the others go to the engine below.
pub trait Engine: Send + Sync {
    /// The engine below. `None`: this is the lowest one, which answers every call itself.
    fn below(&self) -> Option<&dyn Engine>;

    /// Enqueues when called: calls from one thread reach the log in their order.
    fn propose(&self, proposal: Proposal);

    /// Checks the tail and plays to it; the position that the local store then reflects.
    /// # Cancel safety: nothing is lost when dropped.
    fn sync(&self) -> BoxFuture<'_, Result<Lsn, LogError>> {
        self.below().expect(LOWEST).sync()
    }

    /// The same without yielding, when the tail is known in memory and applied already.
    fn sync_now(&self) -> Option<Lsn> {
        self.below().expect(LOWEST).sync_now()
    }

    /// Allows the log to be trimmed up to `lsn`. An engine with an opinion passes on the lower of its own and this.
    fn set_trim_point(&self, lsn: Lsn) {
        self.below().expect(LOWEST).set_trim_point(lsn);
    }
}

const LOWEST: &str = "the lowest engine answers every call itself";

/// The engine below, for a half that is made before it: set once, when the stack is built.
pub type Below = Arc<OnceLock<Arc<dyn Engine>>>;

//! The two contracts of an engine (Delos, SOSP'21, figure 2): [`Engine`] to the layer above, [`Applicator`] to the layer
//! below. Every engine implements both, in two halves that share its soft state.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use naxos_client::LogError;
use naxos_proto::completion::{Completion, Unknown};
use naxos_proto::contracts::{AppendError, Refusal};
use naxos_proto::ids::Lsn;

use crate::entry::Entry;
use crate::local_store::Txn;

/// Why a proposal was not applied here. Safety rule 10: done, not done, unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Not done, for this reason.
    #[error("nothing was appended: {0}")]
    Refused(Refusal),
    /// Not done: this engine is always on.
    #[error("engine {engine} cannot be turned on or off, expected one of {switchable}")]
    NotSwitchable {
        /// Its name.
        engine: &'static str,
        /// The names of those that can be.
        switchable: String,
    },
    /// Not done, and never will be: the node stops.
    #[error("the node is stopping")]
    Stopped,
    /// It may have been done.
    #[error("it is unknown whether the proposal was done: {0}")]
    Unknown(String),
}

impl From<AppendError> for ProposeError {
    fn from(e: AppendError) -> Self {
        match e {
            // The shared log goes on in the next segment; where it cannot, nothing was appended.
            AppendError::Sealed => ProposeError::Refused(Refusal::NoSuccessor),
            AppendError::Refused(refusal) => ProposeError::Refused(refusal),
            AppendError::Unknown(why) => ProposeError::Unknown(why),
        }
    }
}

impl Unknown for ProposeError {
    fn unknown() -> Self {
        ProposeError::Unknown("the proposal was lost on its way".to_owned())
    }
}

/// A proposal on its way down.
#[derive(Debug)]
pub struct Proposal {
    /// What goes into the log.
    pub entry: Entry,
    /// Client commands in it, at least 1.
    pub commands: u32,
    /// Called once the entry is applied here, after the last `post_apply`, with its position; or with the reason why it
    /// is not. Dropped, it says that the outcome is unknown. The proposer gets the output in its own `post_apply`: no
    /// future has to be polled on the way up (`docs/adr/0001`).
    pub settled: Completion<Result<Lsn, ProposeError>>,
}

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

/// The way up. Apply is a function of the log (safety rule 9): no await, no clock, no randomness.
pub trait Applicator: Send + 'static {
    /// What apply yields; only a living proposer waits for it.
    type Output: Send;

    /// Applies one entry within the transaction of its position.
    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, entry: &Entry) -> Self::Output;

    /// After the commit: the only place where soft state changes.
    fn post_apply(&mut self, lsn: Lsn, output: Self::Output);
}

/// Whether an engine is enabled. Only apply turns it, at the position after the command (`docs/design.md`, section 4, Base).
#[derive(Clone, Debug, Default)]
pub struct EngineSwitch(
    /// `position << 1 | on`, so that one atomic load sees both.
    Arc<AtomicU64>,
);

impl EngineSwitch {
    /// Whether the engine acts.
    pub fn is_on(&self) -> bool {
        self.state().0
    }

    /// Whether it acts, and the position of the command that led to it; 0 for the genesis.
    pub fn state(&self) -> (bool, Lsn) {
        let state = self.0.load(Ordering::Acquire);
        (state & 1 == 1, Lsn(state >> 1))
    }

    /// For Base, in apply.
    pub(crate) fn turn(&self, on: bool, since: Lsn) {
        self.0.store(since.0 << 1 | u64::from(on), Ordering::Release);
    }
}

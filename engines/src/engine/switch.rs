//! [`EngineSwitch`]: whether an engine is enabled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use naxos_proto::ids::Lsn;

/// Whether an engine is enabled. Only apply turns it, at the position after the command (`docs/design.md`, section 4, Base).
#[derive(Clone, Debug, Default)]
pub struct EngineSwitch(
    /// `position << 1 | on`, so that one atomic load sees both.
    Arc<AtomicU64>,
);

impl EngineSwitch {
    /// Whether the engine is enabled.
    pub fn is_on(&self) -> bool {
        self.state().0
    }

    /// Whether the engine is enabled, and the position of the command that set this; 0 if it was the genesis.
    pub fn state(&self) -> (bool, Lsn) {
        let state = self.0.load(Ordering::Acquire);
        (state & 1 == 1, Lsn(state >> 1))
    }

    /// Turns the engine on or off. Only Base calls it, in apply.
    pub(crate) fn turn(&self, on: bool, since: Lsn) {
        self.0.store(since.0 << 1 | u64::from(on), Ordering::Release);
    }
}

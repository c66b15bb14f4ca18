//! [`EngineSwitch`]: whether an engine is enabled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use naxos_proto::ids::Lsn;

/// Whether an engine is enabled. A command in the log changes this, from the position after the command on
/// (`docs/design.md`, section 4, Base).
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

    /// Whether the engine is enabled, and the position of the command that set this. The position is 0 if that was the
    /// genesis, or if no command has set it.
    pub fn state(&self) -> (bool, Lsn) {
        let state = self.0.load(Ordering::Acquire);
        (state & 1 == 1, Lsn(state >> 1))
    }

    /// Turns the engine on or off. Only Base calls it: in apply, and when it reads the engines' rows at the start.
    pub(crate) fn turn(&self, on: bool, since: Lsn) {
        self.0.store(since.0 << 1 | u64::from(on), Ordering::Release);
    }
}

//! The way from apply to one hub: bounded, so that a hub that cannot keep up never holds up apply.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::state::Effects;

/// Entries that may wait in a ring.
const ENTRIES_MAX: usize = 1_024;

#[derive(Default)]
struct State {
    entries: VecDeque<Arc<Vec<Effects>>>,
    /// The newest revision put in, kept or not.
    newest: i64,
    /// Entries were dropped since the hub looked.
    overflowed: bool,
    /// The hub has watchers; without any, nothing is kept.
    active: bool,
}

/// See the module.
pub struct Ring {
    state: Mutex<State>,
    wake: Notify,
}

/// What the hub takes out.
pub(super) struct Taken {
    pub(super) entries: VecDeque<Arc<Vec<Effects>>>,
    pub(super) newest: i64,
    pub(super) overflowed: bool,
}

impl Ring {
    /// A ring that starts after `revision`.
    pub fn new(revision: i64) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { newest: revision, ..State::default() }), wake: Notify::new() })
    }

    /// Puts an entry's effects in; for apply.
    pub fn put(&self, effects: &Arc<Vec<Effects>>) {
        let Some(last) = effects.last() else { return };
        {
            let mut state = self.state.lock();
            state.newest = last.revision;
            if !state.active {
                return;
            }
            if state.entries.len() >= ENTRIES_MAX {
                state.entries.clear();
                state.overflowed = true;
            }
            state.entries.push_back(Arc::clone(effects));
        }
        self.wake.notify_one();
    }

    /// Takes everything out.
    pub(super) fn take(&self) -> Taken {
        let mut state = self.state.lock();
        Taken {
            entries: std::mem::take(&mut state.entries),
            newest: state.newest,
            overflowed: std::mem::take(&mut state.overflowed),
        }
    }

    /// Turns keeping on or off; the newest revision put in so far.
    pub(super) fn set_active(&self, active: bool) -> i64 {
        let mut state = self.state.lock();
        state.active = active;
        if !active {
            state.entries.clear();
            state.overflowed = false;
        }
        state.newest
    }

    /// Resolves once something was put in. Cancel safe.
    pub(super) async fn wait(&self) {
        self.wake.notified().await;
    }
}

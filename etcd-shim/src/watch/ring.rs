//! [`Ring`]: the queue from apply to one hub. It is bounded and drops entries when it is full, so apply never waits for
//! a slow hub.

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
    /// The newest revision that apply has put in, whether the ring kept it or not.
    newest: i64,
    /// Whether entries were dropped since the hub last took everything out.
    overflowed: bool,
    /// Whether the hub has watchers. Without any, nothing is kept.
    active: bool,
}

/// See the module.
pub struct Ring {
    state: Mutex<State>,
    wake: Notify,
    entries_max: usize,
}

/// What the hub takes out of a ring.
pub(super) struct Taken {
    pub(super) entries: VecDeque<Arc<Vec<Effects>>>,
    /// The newest revision that apply has put in so far.
    pub(super) newest: i64,
    /// Whether entries are missing before the ones taken.
    pub(super) overflowed: bool,
}

impl Ring {
    /// A ring that starts after `revision`.
    pub fn new(revision: i64) -> Arc<Self> {
        Self::with_room_for(ENTRIES_MAX, revision)
    }

    /// As [`Ring::new`], with room for `entries_max` entries.
    pub(super) fn with_room_for(entries_max: usize, revision: i64) -> Arc<Self> {
        let state = Mutex::new(State { newest: revision, ..State::default() });
        Arc::new(Self { state, wake: Notify::new(), entries_max })
    }

    /// Puts the effects of an entry in. Called by apply; never waits for the hub.
    pub fn put(&self, effects: &Arc<Vec<Effects>>) {
        let Some(last) = effects.last() else { return };
        {
            let mut state = self.state.lock();
            state.newest = last.revision;
            if !state.active {
                return;
            }
            if state.entries.len() >= self.entries_max {
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

    /// Sets whether the ring keeps the entries that are put in. If it is not to keep them, drops those that it has.
    /// Returns the newest revision put in so far.
    pub(super) fn set_active(&self, active: bool) -> i64 {
        let mut state = self.state.lock();
        state.active = active;
        if !active {
            state.entries.clear();
            state.overflowed = false;
        }
        state.newest
    }

    /// Resolves once an entry was put in and kept. Cancel safe.
    pub(super) async fn wait(&self) {
        self.wake.notified().await;
    }
}

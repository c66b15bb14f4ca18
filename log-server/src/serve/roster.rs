//! [`Roster`]: the loglets of a unit, as readers see them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use naxos_proto::contracts::UnitError;
use naxos_proto::ids::LogletId;
use parking_lot::RwLock;

use crate::journal::Index;
use crate::serve::Published;
use crate::unit::Catalog;

#[derive(Default)]
struct State {
    loglets: BTreeMap<LogletId, Arc<Published>>,
    /// Holds only the tombstones and floors of the committer's catalog, no loglets.
    dropped: Catalog,
    stopped: bool,
}

/// All loglets of the unit, and which ids were dropped.
pub(crate) struct Roster {
    state: RwLock<State>,
    /// An upper bound of the bytes that all cached cells take.
    cached_bytes: AtomicUsize,
}

impl Roster {
    pub(crate) fn new(catalog: &Catalog, mut indexes: BTreeMap<LogletId, Index>) -> Self {
        let publish = |(id, loglet): (&LogletId, _)| {
            let index = indexes.remove(id).unwrap_or_default();
            (*id, Arc::new(Published::new(*id, loglet, index)))
        };
        let loglets = catalog.loglets.iter().map(publish).collect();
        let state = State { loglets, dropped: tombstones(catalog), stopped: false };
        Self { state: RwLock::new(state), cached_bytes: AtomicUsize::new(0) }
    }

    /// The loglet, if it was opened here and not dropped.
    pub(crate) fn get(&self, id: LogletId) -> Result<Arc<Published>, UnitError> {
        let state = self.state.read();
        if let Some(found) = state.loglets.get(&id) {
            return Ok(found.clone());
        }
        Err(if state.dropped.is_dropped(id) { UnitError::Dropped(id) } else { UnitError::NotOpen(id) })
    }

    /// Adds a loglet that is durable now.
    pub(crate) fn insert(&self, published: Arc<Published>) {
        self.state.write().loglets.insert(published.id(), published);
    }

    /// Takes over the tombstones of `catalog`. Returns the loglets that are dropped by them.
    pub(crate) fn retain(&self, catalog: &Catalog) -> Vec<Arc<Published>> {
        let mut state = self.state.write();
        state.dropped = tombstones(catalog);
        let gone: Vec<_> = state.loglets.keys().filter(|id| catalog.is_dropped(**id)).copied().collect();
        gone.iter().filter_map(|id| state.loglets.remove(id)).collect()
    }

    /// All loglets, lowest id first.
    pub(crate) fn all(&self) -> Vec<Arc<Published>> {
        self.state.read().loglets.values().cloned().collect()
    }

    /// An upper bound of the bytes that all cached cells take.
    pub(crate) fn cached_bytes(&self) -> usize {
        self.cached_bytes.load(Ordering::Relaxed)
    }

    /// Sets [`Self::cached_bytes`]. Only the committer calls it, when it adds cells to the caches or shrinks them.
    pub(crate) fn set_cached_bytes(&self, bytes: usize) {
        self.cached_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Ends all streams of cells and of tails, and all waits for a tail, with `Stopped`.
    pub(crate) fn stop(&self) {
        self.state.write().stopped = true;
        self.all().iter().for_each(|p| p.wake());
    }

    /// Whether the unit is stopping.
    pub(crate) fn is_stopped(&self) -> bool {
        self.state.read().stopped
    }
}

fn tombstones(catalog: &Catalog) -> Catalog {
    Catalog { dropped: catalog.dropped.clone(), floors: catalog.floors.clone(), ..Catalog::default() }
}

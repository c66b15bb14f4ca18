//! [`Published`]: the durable state of one loglet, as readers see it.

use std::ops::Range;

use bytes::Bytes;
use naxos_proto::contracts::{CellState, LocalTail};
use naxos_proto::ids::{Incarnation, LogletId, Offset};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::journal::{Index, Place, PlaceKind};
use crate::serve::recent::Recent;
use crate::unit::Loglet;

/// One cell of the answer to a read, before the disk is read.
#[derive(Clone, Debug)]
pub(crate) enum Planned {
    /// The state is known from memory.
    Ready(CellState),
    /// The cell has to be read from disk.
    OnDisk(Place),
}

/// The cells of the answer to a read, before the disk is read.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Offset of the first cell.
    pub(crate) at: Offset,
    pub(crate) cells: Vec<Planned>,
}

struct State {
    local: LocalTail,
    index: Index,
    recent: Recent,
    dropped: bool,
}

/// The durable state of one loglet, as readers see it.
pub(crate) struct Published {
    id: LogletId,
    owner: Incarnation,
    state: Mutex<State>,
    changed: Notify,
}

impl Published {
    pub(crate) fn new(id: LogletId, loglet: &Loglet, index: Index) -> Self {
        let state = State { local: loglet.local(), index, recent: Recent::default(), dropped: false };
        Self { id, owner: loglet.params.incarnation, state: Mutex::new(state), changed: Notify::new() }
    }

    /// The sequencer that the loglet belongs to.
    pub(crate) fn owner(&self) -> Incarnation {
        self.owner
    }

    /// The cells of `range` that are in memory, with their offsets.
    pub(crate) fn in_memory(&self, range: Range<Offset>) -> Vec<(Offset, CellState)> {
        let state = self.state.lock();
        (range.start.0..range.end.0).map(Offset).filter_map(|at| Some((at, state.recent.get(at)?))).collect()
    }

    /// The loglet's id.
    pub(crate) fn id(&self) -> LogletId {
        self.id
    }

    /// The state that a tail check reports.
    pub(crate) fn local(&self) -> LocalTail {
        self.state.lock().local
    }

    /// Whether the loglet was dropped after the caller got hold of this object.
    pub(crate) fn is_dropped(&self) -> bool {
        self.state.lock().dropped
    }

    /// Completes at the next change after this call.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Wakes everyone who waits for [`Self::changed`]: followers and callers that wait for a tail.
    pub(crate) fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// Raises the known tail and wakes everyone who waits for [`Self::changed`].
    pub(crate) fn advance(&self, known_tail: Offset) {
        {
            let local = &mut self.state.lock().local;
            if known_tail <= local.known_tail {
                return;
            }
            local.known_tail = known_tail;
        }
        self.wake();
    }

    /// Adds cells that are durable now. Reads find a cell at or above the tail only after [`Self::publish`], which
    /// raises the tail. A cell may replace a damaged one; the place of that one is passed to `freed`.
    pub(crate) fn add(
        &self,
        cells: impl Iterator<Item = (Offset, Place, Option<Bytes>)>,
        mut freed: impl FnMut(Place),
    ) {
        let mut state = self.state.lock();
        for (at, place, body) in cells {
            if let Some(damaged) = state.index.insert(at, place) {
                freed(damaged);
            }
            state.recent.push(at, body);
        }
    }

    /// Notes that the record at `place`, which holds the cell at `at`, was read and is damaged. From now on the unit does
    /// not count the cell among those that it holds, so that it gets the cell again from another unit. Reads still try
    /// the disk, because the next read may succeed even if no other unit has the cell.
    pub(crate) fn note_damage(&self, at: Offset, place: Place) {
        let index = &mut self.state.lock().index;
        if index.get(at) == Some(place) {
            index.insert(at, Place { kind: PlaceKind::Suspect, ..place });
        }
    }

    /// Publishes tail, seal and trim point. Passes each place below the new trim point to `freed`.
    pub(crate) fn publish(&self, loglet: &Loglet, mut freed: impl FnMut(Place)) {
        {
            let mut state = self.state.lock();
            let known_tail = state.local.known_tail.max(loglet.known_tail);
            let trimmed = loglet.trim_point > state.local.trim_point;
            state.local = LocalTail { known_tail, ..loglet.local() };
            if trimmed {
                state.index.trim(loglet.trim_point, &mut freed);
                state.recent.trim(loglet.trim_point);
            }
        }
        self.wake();
    }

    /// Marks the loglet as dropped. Passes all its places to `freed`.
    pub(crate) fn drop_all(&self, freed: impl FnMut(Place)) {
        {
            let mut state = self.state.lock();
            state.dropped = true;
            state.index.trim(Offset(u64::MAX), freed);
            state.recent.shrink(0);
        }
        self.wake();
    }

    /// Bytes that the cached cells take.
    pub(crate) fn cached_bytes(&self) -> usize {
        self.state.lock().recent.bytes()
    }

    /// Removes the oldest cells from the cache until the cached cells take at most `bytes` bytes.
    pub(crate) fn shrink_cache(&self, bytes: usize) {
        self.state.lock().recent.shrink(bytes);
    }

    /// The cell at `at`, if there is one. A repeated store is compared with it.
    pub(crate) fn held(&self, at: Offset) -> Option<Planned> {
        let state = self.state.lock();
        let cached = state.recent.get(at).map(Planned::Ready);
        cached.or_else(|| state.index.get(at).map(planned))
    }

    /// The offsets of `range` that can be read here, as ascending ranges; at most `ranges_max` ranges.
    pub(crate) fn held_in(&self, range: Range<Offset>, ranges_max: usize) -> Vec<Range<Offset>> {
        self.state.lock().index.readable(range, ranges_max)
    }

    /// Plans a read of `range`: at least one cell, then up to about `bytes_max` bytes and `cells_max` cells. Offsets at
    /// or above the tail are `Absent`.
    pub(crate) fn plan(&self, range: Range<Offset>, bytes_max: usize, cells_max: usize) -> Plan {
        let state = self.state.lock();
        let local = state.local;
        let mut plan = Plan { at: range.start, cells: Vec::new() };
        let mut bytes = 0_usize;
        let mut at = range.start;
        while at < range.end && plan.cells.len() < cells_max {
            let cell = if at < local.trim_point {
                Planned::Ready(CellState::Trimmed)
            } else if at >= local.tail {
                Planned::Ready(CellState::Absent)
            } else {
                let cached = state.recent.get(at).map(Planned::Ready);
                let placed = || state.index.get(at).map(planned);
                cached.or_else(placed).unwrap_or(Planned::Ready(CellState::Absent))
            };
            bytes = bytes.saturating_add(match &cell {
                Planned::Ready(CellState::Present(b)) => b.len(),
                Planned::OnDisk(place) => place.body_len as usize,
                Planned::Ready(_) => 0,
            });
            if bytes > bytes_max && !plan.cells.is_empty() {
                break;
            }
            plan.cells.push(cell);
            at = at.next();
        }
        plan
    }
}

fn planned(place: Place) -> Planned {
    match place.kind {
        PlaceKind::Cell | PlaceKind::Suspect => Planned::OnDisk(place),
        PlaceKind::Junk => Planned::Ready(CellState::Junk),
        PlaceKind::Corrupt => Planned::Ready(CellState::Corrupt),
    }
}

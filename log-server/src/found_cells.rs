//! [`FoundCells`]: the cells of a journal whose log server is not started.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use naxos_proto::contracts::{CellState, LocalTail};
use naxos_proto::ids::{LogletId, Offset};

use crate::journal::{Place, SegmentFiles};
use crate::serve::{Planned, Roster};

/// At most this many cells are planned at once.
const CELLS_MAX: usize = 4_096;

/// Reads cells of a data directory, which stays locked and is not changed.
pub struct FoundCells {
    roster: Roster,
    files: Arc<SegmentFiles>,
    _lock: Arc<dyn Send + Sync>,
}

impl FoundCells {
    pub(crate) fn new(roster: Roster, files: Arc<SegmentFiles>, lock: Arc<dyn Send + Sync>) -> Self {
        Self { roster, files, _lock: lock }
    }

    /// What this unit knows of a loglet. `None` if it does not have it.
    pub fn local(&self, loglet: LogletId) -> Option<LocalTail> {
        Some(self.roster.get(loglet).ok()?.local())
    }

    /// The offsets of `range` that can be read here, as ascending ranges that do not touch; at most `ranges_max`.
    pub fn held(&self, loglet: LogletId, range: Range<Offset>, ranges_max: usize) -> Vec<Range<Offset>> {
        self.roster.get(loglet).map(|published| published.held_in(range, ranges_max)).unwrap_or_default()
    }

    /// Reads cells from the start of `range` on. The read ends early after 4,096 cells or about `bytes_max` bytes, but
    /// has at least one cell, unless the range is empty.
    pub async fn read(&self, loglet: LogletId, range: Range<Offset>, bytes_max: usize) -> io::Result<Vec<CellState>> {
        let published = self.roster.get(loglet).map_err(io::Error::other)?;
        let plan = published.plan(range, bytes_max, CELLS_MAX);
        let place = |cell: &Planned| match cell {
            Planned::OnDisk(place) => Some(*place),
            Planned::Ready(_) => None,
        };
        let places: Vec<Place> = plan.cells.iter().filter_map(place).collect();
        let mut bodies = self.files.read(&places).await?.into_iter();
        let state = |cell| match cell {
            Planned::Ready(state) => state,
            Planned::OnDisk(_) => bodies.next().flatten().map_or(CellState::Corrupt, CellState::Present),
        };
        Ok(plan.cells.into_iter().map(state).collect())
    }
}

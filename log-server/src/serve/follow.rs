//! Following a loglet: cells in order, as they become known to be committed.

use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};
use naxos_proto::contracts::{CellState, Followed, UnitError};
use naxos_proto::ids::Offset;

use crate::serve::cold_reader::Patience;
use crate::serve::{ColdReads, Published, Roster};

/// One item carries up to about this many bytes of cells ...
const ITEM_BYTES_MAX: usize = 1 << 20;
/// ... and this many cells.
const ITEM_CELLS_MAX: usize = 4_096;

/// Where a follower stands. It holds no cells: a slow one reads from disk later.
struct Follower {
    loglet: Arc<Published>,
    roster: Arc<Roster>,
    cold: ColdReads,
    next: Offset,
    known_tail: Offset,
    ended: bool,
}

/// The stream of [`StorageUnit::follow`](naxos_proto::contracts::StorageUnit::follow).
///
/// Cells at or above the local tail are not waited for elsewhere: a laggard unit sends the known tail and, once it has
/// them, the cells. Below the tail a cell that is missing here is sent as `Absent`. A trimmed range is one `Trimmed`
/// cell; the next item starts at the trim point.
pub(crate) fn follow(
    loglet: Arc<Published>,
    roster: Arc<Roster>,
    cold: ColdReads,
    from: Offset,
) -> BoxStream<'static, Result<Followed, UnitError>> {
    let follower = Follower { loglet, roster, cold, next: from, known_tail: Offset::ZERO, ended: false };
    stream::unfold(follower, |mut follower| async move {
        let item = follower.item().await?;
        follower.ended = matches!(item, Err(_) | Ok(Followed::Sealed(_)));
        Some((item, follower))
    })
    .boxed()
}

impl Follower {
    async fn item(&mut self) -> Option<Result<Followed, UnitError>> {
        if self.ended {
            return None;
        }
        let loglet = self.loglet.clone();
        loop {
            // Registered before the state is looked at, so that no change falls between.
            let changed = loglet.changed();
            if self.roster.is_stopped() {
                return Some(Err(UnitError::Stopped));
            }
            if loglet.is_dropped() {
                return Some(Err(UnitError::Dropped(loglet.id())));
            }
            let local = loglet.local();
            let committed = local.known_tail.min(local.tail);
            if self.next < local.trim_point {
                let at = std::mem::replace(&mut self.next, local.trim_point);
                return Some(Ok(Followed::Cells { at, cells: vec![CellState::Trimmed] }));
            }
            if self.next < committed {
                return Some(self.cells(&loglet, committed).await);
            }
            if local.known_tail > self.known_tail.max(self.next) {
                self.known_tail = local.known_tail;
                return Some(Ok(Followed::KnownTail(local.known_tail)));
            }
            if local.sealed {
                return Some(Ok(Followed::Sealed(local.tail)));
            }
            changed.await;
        }
    }

    async fn cells(&mut self, loglet: &Published, committed: Offset) -> Result<Followed, UnitError> {
        let plan = loglet.plan(self.next..committed, ITEM_BYTES_MAX, ITEM_CELLS_MAX);
        let at = plan.at;
        let cells = self.cold.read(loglet, plan, Patience::Waits).await?;
        self.next = at.plus(cells.len() as u64);
        Ok(Followed::Cells { at, cells })
    }
}

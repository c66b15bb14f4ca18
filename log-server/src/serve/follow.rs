//! Following a loglet: a stream of its cells, in order, as soon as they are known to be committed.

use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};
use naxos_proto::contracts::{CellState, Followed, UnitError};
use naxos_proto::ids::Offset;

use crate::serve::journal_reader::Patience;
use crate::serve::{JournalReads, Published, Roster};

/// One item of the stream carries up to about this many bytes of cells.
const ITEM_BYTES_MAX: usize = 1 << 20;
/// One item of the stream carries at most this many cells.
const ITEM_CELLS_MAX: usize = 4_096;

/// The position of one follower. It holds no cells: a slow follower reads them from disk later.
struct Follower {
    loglet: Arc<Published>,
    roster: Arc<Roster>,
    cold: JournalReads,
    next: Offset,
    known_tail: Offset,
    ended: bool,
}

/// The stream of [`StorageUnit::follow`](naxos_proto::contracts::StorageUnit::follow).
///
/// Only committed cells below this unit's local tail are sent. If other units have committed cells that this unit does
/// not have yet, it sends only the known tail, and the cells when it has them. A cell below the local tail that is
/// missing here is sent as `Absent`. For a trimmed range one `Trimmed` cell is sent, and the next item starts at the
/// trim point.
pub(crate) fn follow(
    loglet: Arc<Published>,
    roster: Arc<Roster>,
    cold: JournalReads,
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
            // The wait for a change begins before the state is read, so that no change between the two is missed.
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

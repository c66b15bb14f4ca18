//! Telling the tail of a loglet, to processes that conclude from the tails of several units what is on a write quorum.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use naxos_proto::contracts::{LocalTail, UnitError};
use naxos_proto::ids::Offset;
use naxos_proto::seams::{Clock, Instant};

use crate::serve::{Published, Roster};

/// While there is much to do, a tail is told this often at most. Under load the listener's node soon gets the same news
/// from the sequencer, with the next store or answer, so a message for each sync would only cost throughput.
const TELL_EVERY: Duration = Duration::from_millis(5);

/// Says whether little is queued at the unit.
type IsQuiet = Box<dyn Fn() -> bool + Send + Sync>;

/// Where one listener's stream stands.
struct Teller {
    loglet: Arc<Published>,
    roster: Arc<Roster>,
    is_quiet: IsQuiet,
    clock: Arc<dyn Clock>,
    /// The tail that was told last, and when.
    told: Option<(Offset, Instant)>,
    ended: bool,
}

/// The stream of [`StorageUnit::tell_tails`](naxos_proto::contracts::StorageUnit::tell_tails). Every value was published
/// after the sync that made it durable. Tail and seal bit are read under one lock, so neither is older than the other.
pub(crate) fn tell(
    loglet: Arc<Published>,
    roster: Arc<Roster>,
    is_quiet: IsQuiet,
    clock: Arc<dyn Clock>,
) -> BoxStream<'static, Result<LocalTail, UnitError>> {
    let teller = Teller { loglet, roster, is_quiet, clock, told: None, ended: false };
    stream::unfold(teller, |mut teller| async move {
        if teller.ended {
            return None;
        }
        let item = teller.item().await;
        teller.ended = item.as_ref().map_or(true, |tail| tail.sealed);
        Some((item, teller))
    })
    .boxed()
}

impl Teller {
    async fn item(&mut self) -> Result<LocalTail, UnitError> {
        loop {
            // The wait for a change begins before the state is read, so that no change between the two is missed.
            let changed = self.loglet.changed();
            if self.roster.is_stopped() {
                return Err(UnitError::Stopped);
            }
            if self.loglet.is_dropped() {
                return Err(UnitError::Dropped(self.loglet.id()));
            }
            let local = self.loglet.local();
            match self.told {
                Some((tail, _)) if tail == local.tail && !local.sealed => changed.await,
                Some((_, at)) if self.must_wait(at) => self.clock.sleep_until(at.after(TELL_EVERY)).await,
                _ => {
                    self.told = Some((local.tail, self.clock.now()));
                    // The answers to the stores of the same sync are sent first: the sequencer waits for them.
                    tokio::task::yield_now().await;
                    return Ok(local);
                }
            }
        }
    }

    /// Whether a tail was told a short time ago, at `at`, and there is much to do.
    fn must_wait(&self, at: Instant) -> bool {
        !(self.is_quiet)() && self.clock.now().since(at) < TELL_EVERY
    }
}

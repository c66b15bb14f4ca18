//! Holes: offsets that were given out and that nobody has written, because their client is slow or gone.
//!
//! An append that waits for such an offset settles it. If the first unit holds something at the offset, that is passed
//! on along the chain. If it holds nothing, the offset becomes junk. Only the first unit decides. So the slow client and
//! the client that has stopped waiting for it never disagree about the offset.

use std::sync::atomic::Ordering;
use std::time::Duration;

use naxos_proto::contracts::{Cell, CellOutcome, CellState, TailReaches};
use naxos_proto::ids::Offset;
use naxos_proto::tail::Tail;

use super::pass::{Content, Stopped};
use super::rest::Rest;
use super::unit_chain::UnitChain;

/// How long an append waits for the offsets below it before it settles them. Each time this process fills an offset with
/// junk, the time doubles, so that clients which need longer for a write succeed in the end.
const HOLE_PATIENCE: Duration = Duration::from_millis(100);
/// The time doubles at most this many times.
const DOUBLINGS_MAX: u32 = 4;

impl UnitChain {
    fn hole_patience(&self) -> Duration {
        HOLE_PATIENCE * (1 << self.filled.load(Ordering::Relaxed).min(DOUBLINGS_MAX))
    }

    /// Waits until the last unit has everything below `at`. If this takes too long, settles what is missing.
    pub(super) async fn wait_below(&self, at: Offset) -> Result<(), Stopped> {
        let (clock, mut rest) = (&*self.copies.clock, Rest::new(&*self.copies.clock));
        let (mut stands_at, mut settle_at) = (None, clock.now());
        loop {
            let Ok(tail) = self.last().tail(self.id).await else {
                rest.pause().await;
                continue;
            };
            if tail.sealed {
                return Err(Stopped::Sealed);
            }
            self.learn(tail.tail);
            if tail.tail >= at {
                return Ok(());
            }
            if stands_at != Some(tail.tail) {
                (stands_at, settle_at) = (Some(tail.tail), clock.now().after(self.hole_patience()));
            }
            tokio::select! {
                biased;
                // A call that fails is made again, after a look at the tail.
                waited = self.last().wait_tail(self.id, TailReaches::Local(at)) => if waited.is_err() {
                    rest.pause().await;
                },
                () = clock.sleep_until(settle_at) => self.settle(tail.tail, at).await?,
            }
        }
    }

    /// Waits until all offsets that were given out up to now are settled, or the loglet has ended. Offsets that nobody writes
    /// become junk.
    pub(super) async fn settle_granted(&self) {
        let Some(sequencer) = self.sequencers.sequencer(self.owner) else { return };
        let Some(Tail::Open(next)) = sequencer.tail(self.id).await else { return };
        tokio::select! {
            biased;
            // If it fails, the loglet is ending.
            _ = self.wait_below(next) => {}
            _ = self.has_ended() => {}
        }
    }

    /// Settles the offsets from `from` on and below `below`. The last unit must have everything below `from`. All of
    /// these offsets were given out before the offset of the caller, so the caller has waited long enough for each.
    async fn settle(&self, from: Offset, below: Offset) -> Result<(), Stopped> {
        let mut at = from;
        while at < below {
            if let Some(content) = self.decide(at).await? {
                self.pass_decided(at, &content).await?;
            }
            at = at.next();
        }
        Ok(())
    }

    /// What the first unit holds at `at`. `None` if that cannot be found out now.
    async fn held_at(&self, at: Offset) -> Option<CellState> {
        let cells = self.first().read(self.id, at..at.next(), 1).await.ok()?;
        match cells.into_iter().next() {
            // Another unit may have an undamaged copy of the same cell.
            Some(CellState::Corrupt) => self.copies.read_cells(at..at.next(), 1).await.ok()?.into_iter().next(),
            cell => Some(cell.unwrap_or(CellState::Absent)),
        }
    }

    /// Finds out what the first unit holds at `at`. If it holds nothing, fills the offset with junk. Returns what the
    /// offset has then, or `None` if it is trimmed.
    async fn decide(&self, at: Offset) -> Result<Option<Content>, Stopped> {
        let mut rest = Rest::new(&*self.copies.clock);
        loop {
            match self.held_at(at).await {
                Some(CellState::Present(payload)) => {
                    return Ok(Some(Content::Cells(vec![Cell::new(payload)])));
                }
                Some(CellState::Junk) => return Ok(Some(Content::Junk)),
                Some(CellState::Trimmed) => return Ok(None),
                Some(CellState::Absent) => match self.put(0, at, &Content::Junk).await {
                    Ok(stored) if stored.acknowledges() => {
                        self.filled.fetch_add(1, Ordering::Relaxed);
                        tracing::info!(loglet = %self.id, offset = at.0, "nobody wrote an offset: it is junk now");
                        return Ok(Some(Content::Junk));
                    }
                    Ok(stored) if stored.sealed => return Err(Stopped::Sealed),
                    // A client has written the offset meanwhile. The next round reads what it holds.
                    Ok(stored) if stored.cells.contains(&CellOutcome::Different) => {}
                    Ok(_) | Err(_) => rest.pause().await,
                },
                Some(CellState::Corrupt) | None => rest.pause().await,
            }
        }
    }
}

//! [`RaftWriter`]: writes the changes of a replica's raft log to the unit's journal, and waits until they are durable.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use naxos_proto::completion::Completion;
use naxos_proto::contracts::UnitError;
use naxos_proto::seams::Clock;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::commit::raft_change_bytes;
use crate::storage_unit::Unit;
use crate::unit::RaftChange;

/// Time between two attempts of a write that was refused because the disk or the unit's queue is full.
const RETRY: Duration = Duration::from_millis(250);

/// Writes raft records. When the disk has no room, it waits until there is some.
///
/// openraft treats a failed write as a broken disk and stops for good. But a write that was refused because there was
/// no room is no sign of a broken disk: nothing was written, and there may be room later. So the write is repeated until
/// it succeeds, and to openraft the disk only looks slow. Clones share the state.
#[derive(Clone)]
pub(crate) struct RaftWriter {
    unit: Arc<Unit>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    /// Why the current write has to wait, if it does.
    refusal: Arc<Mutex<Option<UnitError>>>,
}

impl RaftWriter {
    /// A writer that gives up waiting when `stop` is cancelled.
    pub(crate) fn new(unit: Arc<Unit>, clock: Arc<dyn Clock>, stop: CancellationToken) -> Self {
        Self { unit, clock, stop, refusal: Arc::default() }
    }

    /// Why the replica makes no progress, if one of its writes waits for room.
    pub(crate) fn refusal(&self) -> Option<UnitError> {
        self.refusal.lock().clone()
    }

    /// Makes `changes` durable, in their order. They may be split over several batches. After a crash in the middle,
    /// the first batches may be there and the later ones not.
    pub(crate) async fn write(&self, changes: Vec<RaftChange>) -> io::Result<()> {
        for batch in batches(changes, self.unit.store_bytes_max) {
            self.write_batch(batch).await.map_err(io::Error::other)?;
        }
        Ok(())
    }

    async fn write_batch(&self, batch: Vec<RaftChange>) -> Result<(), UnitError> {
        loop {
            let (done, outcome) = Completion::channel();
            self.unit.raft(batch.clone(), done);
            let refusal = match outcome.await {
                Err(refusal @ (UnitError::DiskFull { .. } | UnitError::Overloaded)) => refusal,
                outcome => {
                    *self.refusal.lock() = None;
                    return outcome;
                }
            };
            if self.refusal.lock().replace(refusal.clone()).is_none() {
                tracing::warn!(error = %refusal, "the metadata store waits until the storage unit takes its record");
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(UnitError::Stopped),
                () = self.clock.sleep(RETRY) => {}
            }
        }
    }
}

/// Splits `changes` into batches of at most `bytes_max` bytes. A longer change makes a batch of its own.
fn batches(changes: Vec<RaftChange>, bytes_max: u64) -> Vec<Vec<RaftChange>> {
    let mut all: Vec<Vec<RaftChange>> = Vec::new();
    let mut room = 0;
    for change in changes {
        let bytes = raft_change_bytes(&change);
        match all.last_mut() {
            Some(last) if bytes <= room => {
                room -= bytes;
                last.push(change);
            }
            _ => {
                room = bytes_max.saturating_sub(bytes);
                all.push(vec![change]);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn changes_are_cut_into_batches_that_the_unit_takes() {
        let entry = |index| RaftChange::Entry(index, Bytes::from(vec![0; 100]));
        let bytes = raft_change_bytes(&entry(1));
        let changes: Vec<_> = (1..=5).map(entry).collect();
        let lengths = |bytes_max| batches(changes.clone(), bytes_max).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(2 * bytes), [2, 2, 1]);
        assert_eq!(lengths(5 * bytes), [5]);
        assert_eq!(lengths(1), [1; 5], "one that is too long goes alone, and the unit refuses it");
        assert_eq!(batches(changes.clone(), 3 * bytes).concat(), changes);
    }
}

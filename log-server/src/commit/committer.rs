//! [`Committer`]: takes the queued commands, writes them as one batch, syncs once and completes all of them.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use naxos_proto::completion::ThreadLoad;
use naxos_proto::contracts::UnitError;
use naxos_proto::seams::Clock;
use tokio_util::sync::CancellationToken;

use crate::commit::draft_batch::DraftBatch;
use crate::commit::pacing::Pacing;
use crate::commit::rooms::Rooms;
use crate::commit::verdicts::{Needs, Verdicts};
use crate::commit::{Command, Queue};
use crate::config::SyncObserver;
use crate::journal::{For, Journal, Room, SegmentFiles, SegmentNumber, Spares, batch_bytes_bound, preamble_bytes};
use crate::serve::{Roster, Status};
use crate::unit::Catalog;

/// Stores leave the last eighth of each segment, but at most this many bytes, free for metadata. The few stores that
/// [`Rooms::admits_at_start`] accepts are an exception.
const METADATA_HEADROOM_BYTES_MAX: u64 = 1 << 20;
/// While there is no room for another segment, the last sixteenth of the current one, but at most this many bytes, is
/// kept free for the MetaStore's raft log. No other command may use it.
const RAFT_HEADROOM_BYTES_MAX: u64 = 256 << 10;

/// The one writer of the journal.
pub(crate) struct Committer {
    pub(crate) catalog: Catalog,
    pub(crate) journal: Journal,
    pub(crate) files: Arc<SegmentFiles>,
    pub(crate) spares: Arc<Spares>,
    /// Number of live cells in each used segment.
    pub(crate) live: BTreeMap<SegmentNumber, u64>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) status: Arc<Status>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rooms: Rooms,
    pub(crate) pacing: Pacing,
    pub(crate) batch_bytes_max: u64,
    pub(crate) cache_bytes_max: usize,
    pub(crate) segment_bytes: u64,
    pub(crate) on_sync: Option<SyncObserver>,
    /// Stops the Worker that makes spares. Cancelled when the committer ends or becomes read-only, since nobody takes a
    /// spare after that.
    pub(crate) spares_stop: CancellationToken,
}

/// Dropped when the committer ends, in whatever way. The drop refuses the commands that wait, stops the Worker that
/// makes spares and ends the followers' streams.
struct LastWords {
    queue: Arc<Queue>,
    roster: Arc<Roster>,
    spares_stop: CancellationToken,
}

impl Drop for LastWords {
    fn drop(&mut self) {
        self.queue.close(UnitError::Stopped);
        for command in self.queue.drain() {
            command.refuse(UnitError::Stopped);
        }
        self.spares_stop.cancel();
        self.roster.stop();
    }
}

impl Committer {
    /// The Worker's body. It ends after `stop` was cancelled and everything in the queue was done.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let _last_words =
            LastWords { queue: self.queue.clone(), roster: self.roster.clone(), spares_stop: self.spares_stop.clone() };
        let mut stopped = pin!(stop.cancelled());
        let mut commands = Vec::new();
        loop {
            let more = tokio::select! {
                biased;
                () = &mut stopped => {
                    self.queue.close(UnitError::Stopped);
                    self.queue.wait().await
                }
                more = self.queue.wait() => more,
            };
            if !more {
                break;
            }
            let wait = self.pacing.wait(self.clock.now(), self.queue.waiting());
            if !wait.is_zero() {
                self.clock.pause(wait).await;
            }
            self.queue.take(self.batch_bytes_max, &mut commands);
            if let Err(text) = self.commit(&mut commands).await {
                tracing::error!(error = text, "the storage unit is read-only from now on");
                self.serve_reads_only(text, &stop).await;
                break;
            }
        }
    }

    /// Called after a batch could not be committed: refuses everything that is queued. Readers and followers go on
    /// until `stop` is cancelled.
    async fn serve_reads_only(&self, text: String, stop: &CancellationToken) {
        let poisoned = UnitError::Poisoned(text);
        self.queue.close(poisoned.clone());
        for command in self.queue.drain() {
            command.refuse(poisoned.clone());
        }
        self.spares_stop.cancel();
        stop.cancelled().await;
    }

    /// Commits one batch. An error means that the disk failed or that a preamble does not fit a segment. All callers
    /// have their answers before this function returns the error.
    async fn commit(&mut self, commands: &mut Vec<Command>) -> Result<(), String> {
        let verdicts = match self.make_room(commands).await {
            Ok(verdicts) => verdicts,
            Err(text) => {
                self.status.poison(&text);
                let poisoned = UnitError::Poisoned(text.clone());
                commands.drain(..).for_each(|c| c.refuse(poisoned.clone()));
                return Err(text);
            }
        };
        if let Some(UnitError::DiskFull { needed, .. }) = verdicts.stores {
            self.status.stores_want(needed);
        }
        let mut batch = DraftBatch::default();
        if verdicts.rolled {
            batch.drafts.push(Journal::preamble(&self.catalog));
        }
        for command in commands.drain(..) {
            self.decide(command, &verdicts, &mut batch).await;
        }
        let outcome = if batch.drafts.is_empty() { Ok(()) } else { self.write(&mut batch).await };
        if let Err(text) = &outcome {
            self.status.poison(text);
        }
        let failed = outcome.as_ref().err().map(|text| UnitError::Poisoned(text.clone()));
        for staged in batch.staged {
            let load = if self.queue.waiting() == 0 { ThreadLoad::Idle } else { ThreadLoad::Busy };
            staged.complete(failed.as_ref(), load);
        }
        outcome
    }

    /// Writes and syncs the batch, then publishes it.
    async fn write(&mut self, batch: &mut DraftBatch) -> Result<(), String> {
        let started = self.clock.now();
        self.pacing.started(started);
        self.status.sync_started(started);
        let places = self.journal.write(&batch.drafts).await.map_err(|e| format!("writing the journal: {e}"))?;
        let sync = self.clock.now();
        self.journal.sync().await.map_err(|e| format!("syncing the journal: {e}"))?;
        self.status.sync_ended();
        self.status.set_synced(self.journal.batches());
        if let Some(observe) = &self.on_sync {
            observe(self.clock.now().since(sync));
        }
        self.publish(batch, &places);
        Ok(())
    }

    /// Makes room for the batch, with a new segment if necessary, and says which commands are refused.
    ///
    /// When there is no room for another segment, the end of the current one is kept free for two kinds of commands:
    ///
    /// 1. Metadata: a store leaves room for it, because a trim is metadata and makes room again.
    /// 2. The raft log of the MetaStore: metadata leaves room for it, because a replica of the MetaStore cannot go on while
    ///    its write is refused.
    async fn make_room(&mut self, commands: &[Command]) -> Result<Verdicts, String> {
        let needs = Needs::of(commands);
        let segment_bytes = self.journal.segment_bytes();
        let for_metadata = (segment_bytes / 8).min(METADATA_HEADROOM_BYTES_MAX);
        let for_raft = (segment_bytes / 16).min(RAFT_HEADROOM_BYTES_MAX);
        let mut verdicts = Verdicts::default();
        if needs.stores > 0 {
            let bound = batch_bytes_bound(needs.all());
            verdicts.stores = self.rooms.refusal(needs.stores).await;
            if verdicts.stores.is_none() {
                if self.journal.room() >= bound + for_metadata {
                    return Ok(verdicts);
                }
                match self.roll(needs.all(), For::Stores).await? {
                    None => return Ok(Verdicts { rolled: true, ..verdicts }),
                    Some(refusal) => verdicts.stores = Some(refusal),
                }
            }
            let fits = self.journal.room() >= bound + for_raft;
            if verdicts.stores.is_some() && fits && self.rooms.admits_at_start(bound) {
                verdicts.stores = None;
                return Ok(verdicts);
            }
        }
        let needs = Needs { stores: 0, ..needs };
        if needs.all() == 0 || self.journal.room() >= batch_bytes_bound(needs.all()) + for_raft {
            return Ok(verdicts);
        }
        let Some(refusal) = self.roll(needs.all(), For::Metadata).await? else {
            return Ok(Verdicts { rolled: true, ..verdicts });
        };
        if needs.raft > 0 && self.journal.room() < batch_bytes_bound(needs.raft) {
            verdicts.raft = Some(refusal.clone());
        }
        verdicts.metadata = Some(refusal);
        Ok(verdicts)
    }

    /// Goes on in the spare segment. A store may do so only if another spare can be made afterwards: the last spare is
    /// kept for metadata, so that trimming works on a full disk.
    async fn roll(&mut self, bytes: u64, taker: For) -> Result<Option<UnitError>, String> {
        let spare = match self.spares.take(taker).await {
            Ok(spare) => spare,
            Err(Room::Failed(text)) => return Err(text),
            Err(room) => return Ok(Some(room.refusal())),
        };
        if taker == For::Stores && !self.spares.has_freed() {
            let needed = self.spares.needed_bytes();
            if let Some(free) = self.rooms.free_bytes().await.filter(|free| *free < needed) {
                self.spares.put_back(spare);
                return Ok(Some(UnitError::DiskFull { free, needed }));
            }
        }
        let preamble = preamble_bytes(&self.catalog);
        if batch_bytes_bound(bytes + 2 * preamble) > spare.len - crate::journal::BLOCK_BYTES {
            return Err(format!("a preamble of {preamble} bytes does not fit a segment of {} bytes", spare.len));
        }
        self.journal.roll(spare);
        self.live.insert(self.journal.segment(), 0);
        Ok(None)
    }
}

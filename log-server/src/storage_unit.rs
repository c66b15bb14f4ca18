//! [`Unit`]: the storage unit of one data directory.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{
    CellState, Followed, HELD_RANGES_MAX, LocalTail, Purpose, StorageUnit, Store, Stored, TailReaches, UnitError,
    UnitParams,
};
use naxos_proto::ids::{Boot, Incarnation, LogId, LogletId, Offset, StorageId};
use naxos_proto::release::ClusterVersion;
use naxos_proto::seams::{Clock, Disk};

use crate::commit::{Command, Queue, store_cost};
use crate::data_dir::write_cluster_version;
use crate::open_error::OpenError;
use crate::serve::follow::follow;
use crate::serve::journal_reader::Patience;
use crate::serve::tell::tell;
use crate::serve::{DiskUsage, JournalReads, Roster, Status};
use crate::unit::RaftChange;

/// A read answers no more than this many cells.
const READ_CELLS_MAX: usize = 65_536;

/// One storage unit. Any thread may call it. Reads are answered here; every change goes to the committer.
pub struct Unit {
    pub(crate) storage: StorageId,
    pub(crate) boot: Boot,
    pub(crate) queue: Arc<Queue>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) cold: JournalReads,
    pub(crate) status: Arc<Status>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store_bytes_max: u64,
    pub(crate) disk: Arc<dyn Disk>,
}

impl Unit {
    /// How many times a process has started on this data directory, this start included.
    pub fn boot(&self) -> Boot {
        self.boot
    }

    /// The cluster version that the file `format` names. The unit writes nothing that came with a later version.
    pub fn cluster_version(&self) -> ClusterVersion {
        self.status.cluster_version()
    }

    /// Writes down, durably, that the cluster has this version. From then on a program that does not understand it refuses
    /// the directory before it reads anything else, and the unit writes the formats of that version. A lower version
    /// changes nothing. Only one call may run at a time.
    /// # Cancel safety
    /// The version may be written down or not. The call may be made again.
    pub async fn raise_cluster_version(&self, version: ClusterVersion) -> Result<(), OpenError> {
        if version > self.cluster_version() {
            write_cluster_version(&*self.disk, version).await?;
            self.status.set_cluster_version(version);
        }
        Ok(())
    }

    /// How many client commands the committer has not taken yet. A request without client commands, such as a seal or
    /// a trim, counts as one.
    pub fn queued(&self) -> u64 {
        self.queue.waiting()
    }

    /// The number of client commands in the stores that wait for the committer, and the largest number that may wait. A
    /// store that waits alone may have more commands than that; it counts as the largest number. For probes.
    pub fn stores_queued(&self) -> (u64, u64) {
        self.queue.stores_waiting()
    }

    /// The sequencer that the loglet belongs to. `None` if the unit does not hold the loglet.
    pub fn owner(&self, loglet: LogletId) -> Option<Incarnation> {
        self.roster.get(loglet).ok().map(|published| published.owner())
    }

    /// The cells of `range` that are in memory, with their offsets. For probes: it neither waits nor reads the disk.
    pub fn cells_in_memory(&self, loglet: LogletId, range: Range<Offset>) -> Vec<(Offset, CellState)> {
        self.roster.get(loglet).map_or_else(|_| Vec::new(), |published| published.in_memory(range))
    }

    /// How long the current write and sync has been running. A hanging disk shows here.
    pub fn oldest_sync_age(&self) -> Option<Duration> {
        self.status.oldest_sync_age(self.clock.now())
    }

    /// How many batches of the journal are durable, counted from the first batch of the data directory on.
    pub fn synced_batches(&self) -> u64 {
        self.status.synced()
    }

    /// Why the unit is read-only, if it is.
    pub fn poisoned(&self) -> Option<String> {
        self.status.poisoned()
    }

    /// A sentence that says why the unit takes no stores until its process is restarted. `None` unless a disk error
    /// made it read-only.
    pub fn write_problem(&self) -> Option<String> {
        self.status.poisoned().map(|why| format!("the storage unit is read-only since a disk error: {why}"))
    }

    /// If the last store was refused because the disk is full: how many bytes must be free before a store is accepted.
    /// Zero if the last store was accepted, or if room was made after the refusal.
    pub fn wanted_free_bytes(&self) -> u64 {
        self.status.wanted()
    }

    /// Disk space that the journal takes.
    pub fn disk_usage(&self) -> DiskUsage {
        self.status.usage()
    }

    /// Makes changes to the MetaStore's raft log durable, in the order of the calls.
    pub(crate) fn raft(&self, changes: Vec<RaftChange>, done: Completion<Result<(), UnitError>>) {
        let command = Command::Raft(changes, done);
        if command.cost().bytes > self.store_bytes_max {
            return command.refuse(UnitError::Invalid("raft entries are larger than a batch"));
        }
        self.queue.push(command);
    }

    /// Enqueues the command at once; the returned future only waits for the outcome.
    fn call<T: Send + 'static>(
        &self,
        command: impl FnOnce(Completion<Result<T, UnitError>>) -> Command,
    ) -> BoxFuture<'static, Result<T, UnitError>> {
        let (done, outcome) = Completion::channel();
        self.queue.push(command(done));
        outcome
    }
}

impl StorageUnit for Unit {
    fn storage_id(&self) -> StorageId {
        self.storage
    }

    fn open(&self, loglet: LogletId, params: UnitParams) -> BoxFuture<'_, Result<(), UnitError>> {
        self.call(|done| Command::Open(loglet, params, done))
    }

    fn store(&self, store: Store, done: Completion<Result<Stored, UnitError>>) {
        if store.cells.is_empty() {
            return done.complete(Err(UnitError::Invalid("a store has no cells")));
        }
        if store_cost(&store).bytes > self.store_bytes_max {
            return done.complete(Err(UnitError::Invalid("a store is larger than a batch")));
        }
        if store.at.checked_add(store.cells.len() as u64).is_none() {
            return done.complete(Err(UnitError::Invalid("a store ends beyond the last offset")));
        }
        self.queue.push(Command::Store(store, done));
    }

    fn read(
        &self,
        loglet: LogletId,
        range: Range<Offset>,
        max_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<CellState>, UnitError>> {
        Box::pin(async move {
            let loglet = self.roster.get(loglet)?;
            let plan = loglet.plan(range, max_bytes, READ_CELLS_MAX);
            self.cold.read(&loglet, plan, Patience::None).await
        })
    }

    fn fill(
        &self,
        loglet: LogletId,
        incarnation: Incarnation,
        at: Offset,
        purpose: Purpose,
    ) -> BoxFuture<'_, Result<Stored, UnitError>> {
        if at.checked_add(1).is_none() {
            return Box::pin(async { Err(UnitError::Invalid("a fill lies beyond the last offset")) });
        }
        self.call(|done| Command::Fill(loglet, incarnation, at, purpose, done))
    }

    fn seal(&self, loglet: LogletId) -> BoxFuture<'_, Result<LocalTail, UnitError>> {
        self.call(|done| Command::Seal(loglet, done))
    }

    fn trim(&self, loglet: LogletId, up_to: Offset) -> BoxFuture<'_, Result<(), UnitError>> {
        self.call(|done| Command::Trim(loglet, up_to, done))
    }

    fn tail(&self, loglet: LogletId) -> BoxFuture<'_, Result<LocalTail, UnitError>> {
        Box::pin(std::future::ready(self.roster.get(loglet).map(|l| l.local())))
    }

    fn tail_now(&self, loglet: LogletId) -> Option<Result<LocalTail, UnitError>> {
        Some(self.roster.get(loglet).map(|l| l.local()))
    }

    fn wait_tail(&self, loglet: LogletId, until: TailReaches) -> BoxFuture<'_, Result<LocalTail, UnitError>> {
        Box::pin(async move {
            let published = self.roster.get(loglet)?;
            loop {
                // The wait is registered before the state is read. So no change after the read is missed.
                let changed = published.changed();
                if self.roster.is_stopped() {
                    return Err(UnitError::Stopped);
                }
                if published.is_dropped() {
                    return Err(UnitError::Dropped(loglet));
                }
                let local = published.local();
                if until.is_met_by(&local) {
                    return Ok(local);
                }
                changed.await;
            }
        })
    }

    fn tell_tails(&self, loglet: LogletId) -> BoxStream<'static, Result<LocalTail, UnitError>> {
        match self.roster.get(loglet) {
            Ok(loglet) => {
                let queue = self.queue.clone();
                tell(loglet, self.roster.clone(), Box::new(move || queue.is_quiet()), self.clock.clone())
            }
            Err(e) => stream::iter([Err(e)]).boxed(),
        }
    }

    fn held(&self, loglet: LogletId, range: Range<Offset>) -> BoxFuture<'_, Result<Vec<Range<Offset>>, UnitError>> {
        let held = self.roster.get(loglet).map(|published| published.held_in(range, HELD_RANGES_MAX));
        Box::pin(std::future::ready(held))
    }

    fn advance(&self, loglet: LogletId, known_tail: Offset) {
        if let Ok(loglet) = self.roster.get(loglet) {
            loglet.advance(known_tail);
        }
    }

    fn follow(&self, loglet: LogletId, from: Offset) -> BoxStream<'static, Result<Followed, UnitError>> {
        match self.roster.get(loglet) {
            Ok(loglet) => follow(loglet, self.roster.clone(), self.cold.clone(), from),
            Err(e) => stream::iter([Err(e)]).boxed(),
        }
    }

    fn drop_loglet(&self, loglet: LogletId) -> BoxFuture<'_, Result<(), UnitError>> {
        self.call(|done| Command::Drop(loglet, done))
    }

    fn raise_floor(&self, log: LogId, ordinal: u64) -> BoxFuture<'_, Result<(), UnitError>> {
        self.call(|done| Command::Floor(log, ordinal, done))
    }
}

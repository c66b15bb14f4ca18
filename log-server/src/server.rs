//! [`LogServer`]: the storage unit and the MetaStore replica of one data directory, with their Workers.

use std::sync::Arc;

use naxos_proto::ids::{Boot, LogId, LogletId, MemberId, Offset, StorageId};
use naxos_proto::seams::{Seams, WorkerHandle, start};
use tokio_util::sync::CancellationToken;

use crate::commit::{Committer, Pacing, Queue, Rooms};
use crate::config::LogServerConfig;
use crate::data_dir::{DataDir, Names, Wanted, claim, open_data_dir};
use crate::found_cells::FoundCells;
use crate::founding::founded_names;
use crate::journal::{DamagedCell, Journal, Recovered, SegmentFiles, Spares, change_draft, recover};
use crate::open_error::OpenError;
use crate::serve::{JournalReader, Roster, Status};
use crate::storage_unit::Unit;
use crate::unit::{Change, RaftLog};

/// A running log server.
pub struct LogServer {
    unit: Arc<Unit>,
    log: LogId,
    stop: CancellationToken,
    workers: Vec<WorkerHandle>,
    raft: RaftLog,
    /// The lock on the data directory. The Workers that write share it, so it is held until the last of them has ended.
    lock: Arc<dyn Send + Sync>,
}

/// A data directory that was read and is in order. It is locked. If it was new or half formatted, it was formatted.
/// Otherwise nothing in it was changed. The caller can look at the other files of the directory before [`Self::start`]
/// writes to it.
pub struct FoundJournal {
    seams: Seams,
    config: LogServerConfig,
    names: Names,
    files: Arc<SegmentFiles>,
    recovered: Recovered,
    lock: Arc<dyn Send + Sync>,
}

impl FoundJournal {
    /// Reads the data directory of `seams.disk`. If it is not formatted yet, and has the record of a founding (see
    /// [`FoundingSeat`](crate::founding::FoundingSeat)), it gets the ids of this record, whatever `config` says.
    /// # Cancel safety
    /// If the call is dropped halfway, the directory can still be opened.
    pub async fn read(seams: Seams, config: LogServerConfig) -> Result<FoundJournal, OpenError> {
        config.check()?;
        let disk = seams.disk.clone();
        let claim = claim(&disk).await?;
        let mut wanted = Wanted { storage: None, log: config.log, member: config.member };
        if !claim.is_formatted
            && let Some(names) = founded_names(disk.as_ref()).await?
        {
            wanted = Wanted { storage: Some(names.storage), log: Some(names.log), member: Some(names.member) };
        }
        let DataDir { names, lock } =
            open_data_dir(&disk, claim, seams.entropy.as_ref(), wanted, config.segment_bytes).await?;
        let files = Arc::new(SegmentFiles::new(disk.clone(), names.storage));
        let recovered = recover(&disk, names.storage, &files).await?;
        Ok(FoundJournal { seams, config, names, files, recovered, lock: Arc::from(lock) })
    }

    /// The id of the data directory.
    pub fn storage_id(&self) -> StorageId {
        self.names.storage
    }

    /// The log that the directory was formatted for.
    pub fn log(&self) -> LogId {
        self.names.log
    }

    /// The seat in the cluster that the directory was formatted for: etcd's member id.
    pub fn member(&self) -> MemberId {
        self.names.member
    }

    /// How many times a process has started on this data directory.
    pub fn boot(&self) -> Boot {
        self.recovered.catalog.boot
    }

    /// How many batches of the journal were found, counted from the first batch of the data directory on. If another
    /// node was told that a batch is durable, this batch is among them, unless the disk has lost it.
    pub fn batches(&self) -> u64 {
        self.recovered.sequence - 1
    }

    /// Turns the journal into a reader of its cells. The directory stays locked and is not changed.
    pub fn into_cells(self) -> FoundCells {
        let Recovered { catalog, indexes, .. } = self.recovered;
        FoundCells::new(Roster::new(&catalog, indexes), self.files, self.lock)
    }

    /// A loglet's trim point here, and the offset after its last cell. Both are zero if this unit does not know the
    /// loglet.
    pub fn extent(&self, loglet: LogletId) -> (Offset, Offset) {
        let found = self.recovered.catalog.loglets.get(&loglet);
        found.map_or((Offset::ZERO, Offset::ZERO), |l| (l.trim_point, l.tail))
    }

    /// Whether this unit ever forgot cells. If it did, the log alone no longer holds the whole state.
    pub fn was_trimmed(&self) -> bool {
        let catalog = &self.recovered.catalog;
        !catalog.dropped.is_empty()
            || !catalog.floors.is_empty()
            || catalog.loglets.values().any(|l| l.trim_point > Offset::ZERO)
    }

    /// The cells that answer `Corrupt`.
    pub fn damaged_cells(&self) -> &[DamagedCell] {
        &self.recovered.damaged_cells
    }

    /// The state of the MetaStore replica, as it was read from the journal.
    pub(crate) fn raft(&self) -> &RaftLog {
        &self.recovered.catalog.raft
    }

    /// Starts the Workers. When this returns, the higher boot count is durable.
    ///
    /// Cancelling `stop` stops the server as [`LogServer::shutdown`] does; a Worker that panics cancels it.
    /// # Cancel safety
    /// If the call is dropped halfway, the directory can still be opened.
    pub async fn start(self, stop: CancellationToken) -> Result<LogServer, OpenError> {
        let FoundJournal { seams, config, names: Names { storage, log, version, .. }, files, recovered, lock } = self;
        let raft = recovered.catalog.raft.clone();
        let damaged_cells = recovered.damaged_cells.len();
        let (unit, workers) = start_unit(&seams, &config, &stop, storage, files, recovered, &lock).await?;
        unit.status.set_cluster_version(version);
        if damaged_cells > 0 {
            tracing::warn!(damaged_cells, "the journal has damaged records; their cells answer Corrupt");
        }
        Ok(LogServer { unit, log, stop, workers, raft, lock })
    }
}

impl LogServer {
    /// Opens the data directory of `seams.disk`: [`FoundJournal::read`] and [`FoundJournal::start`] in one.
    /// # Cancel safety
    /// If the call is dropped halfway, the directory can still be opened.
    pub async fn open(seams: Seams, config: LogServerConfig, stop: CancellationToken) -> Result<LogServer, OpenError> {
        FoundJournal::read(seams, config).await?.start(stop).await
    }

    /// The storage unit.
    pub fn unit(&self) -> &Arc<Unit> {
        &self.unit
    }

    /// The id of the data directory.
    pub fn storage_id(&self) -> StorageId {
        self.unit.storage
    }

    /// How many times a process has started on this data directory, this start included.
    pub fn boot(&self) -> Boot {
        self.unit.boot
    }

    /// The log that the directory was formatted for.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// The lock on the data directory. Whoever else writes to the directory shares it for as long as that takes.
    pub fn lock(&self) -> Arc<dyn Send + Sync> {
        Arc::clone(&self.lock)
    }

    /// The state of the MetaStore replica as the journal held it at the start.
    pub(crate) fn raft(&self) -> &RaftLog {
        &self.raft
    }

    /// Finishes the queued commands, ends the Workers and releases the lock. The error is the text of a Worker's panic.
    /// # Cancel safety
    /// If the call is dropped halfway, the Workers still stop.
    pub async fn shutdown(self) -> Result<(), String> {
        self.stop.cancel();
        let mut outcome = Ok(());
        for worker in self.workers {
            let end = worker.join().await;
            outcome = outcome.and(end);
        }
        drop(self.lock);
        outcome
    }
}

async fn start_unit(
    seams: &Seams,
    config: &LogServerConfig,
    stop: &CancellationToken,
    storage: StorageId,
    files: Arc<SegmentFiles>,
    recovered: Recovered,
    lock: &Arc<dyn Send + Sync>,
) -> Result<(Arc<Unit>, Vec<WorkerHandle>), OpenError> {
    let Recovered { mut catalog, indexes, current, sequence, live, unsettled, next_number, .. } = recovered;
    let spare = unsettled.settle(seams.disk.as_ref()).await?;
    let boot = Boot(catalog.boot.0 + 1);
    let segment_bytes = config.segment_bytes;
    let spares = Arc::new(Spares::new(segment_bytes, config.reserve_bytes, spare, next_number));
    let spares_stop = CancellationToken::new();
    // If the committer is never run, nobody else ends this Worker.
    let spares_end = spares_stop.clone().drop_guard();
    let mut workers = Vec::new();
    workers.push(start(seams.worker.as_ref(), "journal-zero", stop.clone(), {
        let (spares, stop) = (spares.clone(), spares_stop.clone());
        let (disk, files, clock) = (seams.disk.clone(), files.clone(), seams.clock.clone());
        let lock = Arc::clone(lock);
        move |_| async move {
            let _lock = lock;
            spares.run(disk, files, clock, stop).await;
        }
    }));
    let mut journal = Journal::new(storage, files.clone(), current, sequence);
    let mut live = live;
    let outcome = write_boot(&mut journal, &mut catalog, &spares, &mut live, boot).await;
    if let Err(e) = outcome {
        spares_stop.cancel();
        for worker in workers {
            // Only the first error is reported.
            let _ = worker.join().await;
        }
        return Err(e);
    }

    let queue = Arc::new(Queue::new(config.queue_commands_max, config.queue_bytes_max));
    let roster = Arc::new(Roster::new(&catalog, indexes));
    let status = Arc::new(Status::default());
    status.set_synced(journal.batches());
    let (journal_reader, cold) = JournalReader::new(files.clone(), config.cold_reads_max);
    let mut committer = Committer {
        catalog,
        journal,
        files,
        spares,
        live,
        queue: queue.clone(),
        roster: roster.clone(),
        status: status.clone(),
        clock: seams.clock.clone(),
        rooms: Rooms::new(seams.disk.clone(), seams.clock.clone(), config.reserve_bytes),
        pacing: Pacing::new(config.pace),
        batch_bytes_max: config.gathered_bytes_max(),
        cache_bytes_max: config.cache_bytes_max,
        segment_bytes,
        on_sync: config.on_sync.clone(),
        spares_stop,
    };
    committer.free_segments();
    workers.push(start(seams.worker.as_ref(), "commit", stop.clone(), {
        let lock = Arc::clone(lock);
        move |stop| async move {
            let (_lock, _spares_end) = (lock, spares_end);
            committer.run(stop).await;
        }
    }));
    workers.push(start(seams.worker.as_ref(), "cold-read", stop.clone(), |stop| journal_reader.run(stop)));
    let store_bytes_max = config.store_bytes_max();
    let clock = seams.clock.clone();
    let disk = seams.disk.clone();
    Ok((Arc::new(Unit { storage, boot, queue, roster, cold, status, clock, store_bytes_max, disk }), workers))
}

/// Raises the boot count durably. This writes a batch, and a batch states that everything before it is durable. The
/// caller has made sure of that with `Unsettled::settle`.
async fn write_boot(
    journal: &mut Journal,
    catalog: &mut crate::unit::Catalog,
    spares: &Spares,
    live: &mut std::collections::BTreeMap<crate::journal::SegmentNumber, u64>,
    boot: Boot,
) -> Result<(), OpenError> {
    let change = Change::Boot(boot);
    let mut drafts = Vec::new();
    if journal.room() < crate::journal::batch_bytes_bound(1_024) {
        let spare = spares.take(crate::journal::For::Metadata).await.map_err(|room| OpenError::Unit(room.refusal()))?;
        journal.roll(spare);
        live.insert(journal.segment(), 0);
        drafts.push(Journal::preamble(catalog));
    }
    drafts.push(change_draft(&change));
    catalog.apply(&change);
    journal.write(&drafts).await.map_err(|e| OpenError::io("journal", e))?;
    journal.sync().await.map_err(|e| OpenError::io("journal", e))
}

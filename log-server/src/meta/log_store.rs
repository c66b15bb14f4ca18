//! [`LogStore`]: openraft's log and vote. They are durable in the unit's journal and kept in memory for reading.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::sync::Arc;

use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader, StorageIOError};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::meta::codec::{decode, encode};
use crate::meta::raft_writer::RaftWriter;
use crate::meta::snapshot_mark::SnapshotMark;
use crate::meta::types::{Entry, LogId, StorageError, TypeConfig, Vote};
use crate::open_error::OpenError;
use crate::unit::{RaftChange, RaftLog};

#[derive(Debug, Default)]
struct State {
    vote: Option<Vote>,
    entries: BTreeMap<u64, Entry>,
    purged: Option<LogId>,
}

/// openraft's log and vote. Clones share them.
#[derive(Clone)]
pub(crate) struct LogStore {
    writer: RaftWriter,
    state: Arc<Mutex<State>>,
    snapshots: watch::Receiver<SnapshotMark>,
}

impl LogStore {
    /// The log as the journal held it at the start. `snapshots` tells how far it may be purged.
    pub(crate) fn new(
        writer: RaftWriter,
        log: &RaftLog,
        snapshots: watch::Receiver<SnapshotMark>,
    ) -> Result<Self, OpenError> {
        let mut state = State {
            vote: log.vote.as_deref().map(decode).transpose()?,
            purged: log.purged.as_deref().map(decode).transpose()?,
            entries: BTreeMap::new(),
        };
        for (index, bytes) in &log.entries {
            state.entries.insert(*index, decode(bytes)?);
        }
        Ok(Self { writer, state: Arc::new(Mutex::new(state)), snapshots })
    }

    /// Waits until the entries up to `last` are in a durable snapshot. Fails if a snapshot could not be written.
    async fn are_in_snapshot(&mut self, last: LogId) -> io::Result<()> {
        let covered = self.snapshots.wait_for(|mark| mark.last >= Some(last) || mark.failed).await;
        match covered {
            Ok(mark) if !mark.failed => Ok(()),
            _ => Err(io::Error::other("the log is not purged: no durable snapshot covers the entries")),
        }
    }

    async fn write(&self, change: RaftChange) -> io::Result<()> {
        self.writer.write(vec![change]).await
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        Ok(self.state.lock().entries.range(range).map(|(_, e)| e.clone()).collect())
    }

    /// The entries from `start` on that another replica is to get. None of them if the first one was purged.
    ///
    /// openraft purges the log of a leader only below what is being sent. But when a leader is unseated, openraft 0.9 lets
    /// its sending tasks go on, and purges the log as that of a follower. Such a task would send entries with a gap
    /// before them, and a replica that has not heard of the new leader would take them. If the task gets no entries
    /// here, it sends a heartbeat.
    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, StorageError> {
        let mut entries = self.try_get_log_entries(start..end).await?;
        if entries.first().is_some_and(|first| first.log_id.index != start) {
            entries.clear();
        }
        Ok(entries)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError> {
        let state = self.state.lock();
        let last = state.entries.last_key_value().map(|(_, e)| e.log_id);
        Ok(LogState { last_purged_log_id: state.purged, last_log_id: last.or(state.purged) })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        self.write(RaftChange::Vote(encode(vote))).await.map_err(|e| StorageIOError::write_vote(&e))?;
        self.state.lock().vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.state.lock().vote)
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<TypeConfig>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut changes = Vec::new();
        {
            let mut state = self.state.lock();
            for entry in entries {
                changes.push(RaftChange::Entry(entry.log_id.index, encode(&entry)));
                state.entries.insert(entry.log_id.index, entry);
            }
        }
        // openraft does nothing else until this write is reported. So it does not matter that this call waits, too.
        callback.log_io_completed(self.writer.write(changes).await);
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        drop(self.state.lock().entries.split_off(&log_id.index));
        let written = self.write(RaftChange::Truncate(log_id.index)).await;
        Ok(written.map_err(|e| StorageIOError::write_logs(&e))?)
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.are_in_snapshot(log_id).await.map_err(|e| StorageIOError::write_logs(&e))?;
        {
            let mut state = self.state.lock();
            state.entries.retain(|index, _| *index > log_id.index);
            state.purged = Some(log_id);
        }
        let written = self.write(RaftChange::Purge(log_id.index, encode(&log_id))).await;
        Ok(written.map_err(|e| StorageIOError::write_logs(&e))?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::time::Duration;

    use naxos_proto::ids::LogId as NaxosLogId;
    use naxos_proto::seams::sim::{Drive, SeededEntropy, SimClock, TaskWorker};
    use naxos_proto::seams::{Clock, Seams, SocketNet};
    use openraft::storage::{RaftStateMachine, SnapshotMeta};
    use openraft::{CommittedLeaderId, EntryPayload};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::meta::register::Register;
    use crate::meta::types::Value;
    use crate::{LogServer, LogServerConfig};

    fn seams(drive: &Drive) -> Seams {
        Seams {
            clock: Arc::new(SimClock::new(Duration::from_secs(1))),
            entropy: Arc::new(SeededEntropy::new(1)),
            net: Arc::new(SocketNet),
            disk: drive.mount(),
            worker: Arc::new(TaskWorker),
        }
    }

    async fn open(seams: &Seams) -> LogServer {
        let config = LogServerConfig {
            segment_bytes: 64 << 10,
            cache_bytes_max: 4 << 10,
            reserve_bytes: 0,
            log: Some(NaxosLogId(9)),
            ..LogServerConfig::default()
        };
        LogServer::open(seams.clone(), config, CancellationToken::new()).await.unwrap()
    }

    fn id(index: u64) -> LogId {
        LogId::new(CommittedLeaderId::new(1, 1), index)
    }

    /// As openraft does: gives a snapshot to the register, and asks the log to purge the entries that the snapshot
    /// covers, before the register has written the snapshot. Returns once the log is purged, or never if the disk
    /// freezes.
    async fn install(drive: &Drive) {
        let seams = seams(drive);
        let server = open(&seams).await;
        let writer = RaftWriter::new(server.unit().clone(), seams.clock.clone(), CancellationToken::new());
        let mut register = Register::new(writer.clone(), server.raft()).unwrap();
        let mut log = LogStore::new(writer, server.raft(), register.mark()).unwrap();
        let entries = (1..=3).map(|index| Entry { log_id: id(index), payload: EntryPayload::Blank });
        let changes = entries.map(|entry| RaftChange::Entry(entry.log_id.index, encode(&entry))).collect();
        log.writer.write(changes).await.unwrap();
        let snapshot = Box::new(Cursor::new(encode(&Value { version: 5, bytes: vec![7; 100] }).to_vec()));
        let meta = SnapshotMeta { last_log_id: Some(id(9)), ..SnapshotMeta::default() };
        let installing = async {
            seams.clock.sleep(Duration::from_millis(1)).await;
            register.install_snapshot(&meta, snapshot).await.unwrap();
        };
        let ((), purged) = tokio::join!(installing, log.purge(id(9)));
        purged.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_is_purged_only_after_the_snapshot_is_durable() {
        let mut purged = 0;
        for syncs in 1..40 {
            let drive = Drive::new(syncs);
            drive.freeze_at_sync(syncs);
            let clock = SimClock::new(Duration::ZERO);
            tokio::task::LocalSet::new()
                .run_until(async {
                    tokio::select! {
                        biased;
                        () = install(&drive) => {}
                        () = clock.sleep(Duration::from_secs(10)) => {}
                    }
                })
                .await;
            drive.crash();
            tokio::task::LocalSet::new()
                .run_until(async {
                    let server = open(&seams(&drive)).await;
                    let log = server.raft();
                    assert!(log.purged.is_none() || log.snapshot.is_some(), "after {syncs} syncs the entries are lost");
                    purged += u64::from(log.purged.is_some());
                })
                .await;
        }
        assert!(purged > 0, "no run got so far that it purged the log");
    }

    #[tokio::test(start_paused = true)]
    async fn an_older_snapshot_is_not_written_over_a_newer_one() {
        tokio::task::LocalSet::new()
            .run_until(async {
                let seams = seams(&Drive::new(1));
                let server = open(&seams).await;
                let writer = RaftWriter::new(server.unit().clone(), seams.clock.clone(), CancellationToken::new());
                let mut register = Register::new(writer, server.raft()).unwrap();
                for index in [9, 4] {
                    let snapshot =
                        Box::new(Cursor::new(encode(&Value { version: index, bytes: vec![7; 100] }).to_vec()));
                    let meta = SnapshotMeta { last_log_id: Some(id(index)), ..SnapshotMeta::default() };
                    register.install_snapshot(&meta, snapshot).await.unwrap();
                    assert_eq!(register.mark().borrow().last, Some(id(9)), "after snapshot {index}");
                }
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn entries_are_sent_only_without_a_gap_before_them() {
        tokio::task::LocalSet::new()
            .run_until(async {
                let seams = seams(&Drive::new(1));
                let server = open(&seams).await;
                let writer = RaftWriter::new(server.unit().clone(), seams.clock.clone(), CancellationToken::new());
                let mark = watch::Sender::new(SnapshotMark { last: Some(id(9)), failed: false });
                let mut log = LogStore::new(writer, server.raft(), mark.subscribe()).unwrap();
                for index in 1..=14 {
                    let entry = Entry { log_id: id(index), payload: EntryPayload::Blank };
                    log.state.lock().entries.insert(index, entry);
                }
                log.purge(id(9)).await.unwrap();
                assert_eq!(log.limited_get_log_entries(4, 15).await.unwrap(), [], "4 to 9 are purged");
                assert_eq!(log.limited_get_log_entries(10, 15).await.unwrap().len(), 5);
                assert_eq!(log.limited_get_log_entries(15, 15).await.unwrap(), []);
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_purge_fails_when_the_snapshot_cannot_be_written() {
        tokio::task::LocalSet::new()
            .run_until(async {
                let seams = seams(&Drive::new(1));
                let server = open(&seams).await;
                let stop = CancellationToken::new();
                let writer = RaftWriter::new(server.unit().clone(), seams.clock.clone(), stop);
                let mark = watch::Sender::new(SnapshotMark::default());
                let mut log = LogStore::new(writer, server.raft(), mark.subscribe()).unwrap();
                let (purged, ()) = tokio::join!(log.purge(id(9)), async {
                    mark.send_modify(|mark| mark.failed = true);
                });
                assert!(purged.is_err());
                assert_eq!(log.get_log_state().await.unwrap().last_purged_log_id, None);
            })
            .await;
    }
}

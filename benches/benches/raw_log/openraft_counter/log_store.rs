//! [`LogStore`]: openraft's log and vote. They are kept in memory for reading, and each change is durable in a file.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;

use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader, StorageIOError};
use parking_lot::Mutex;

use super::log_file::LogFile;
use super::record::Record;
use super::types::{Entry, LogId, StorageError, TypeConfig, Vote};

#[derive(Default)]
struct State {
    vote: Option<Vote>,
    entries: BTreeMap<u64, Entry>,
    purged: Option<LogId>,
}

/// openraft's log and vote. Clones share them.
#[derive(Clone)]
pub(crate) struct LogStore {
    file: LogFile,
    state: Arc<Mutex<State>>,
}

impl LogStore {
    /// An empty log, whose changes go to a new file.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: LogFile::create(path)?, state: Arc::default() })
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        Ok(self.state.lock().entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError> {
        let state = self.state.lock();
        let last = state.entries.last_key_value().map(|(_, entry)| entry.log_id);
        Ok(LogState { last_purged_log_id: state.purged, last_log_id: last.or(state.purged) })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        self.file.append(&[Record::Vote(vote)]).await.map_err(|e| StorageIOError::write_vote(&e))?;
        self.state.lock().vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.state.lock().vote)
    }

    async fn append<I>(&mut self, entries: I, flushed: LogFlushed<TypeConfig>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        // This call waits for the file. That costs nothing, because openraft waits for the report of this write anyway.
        let written = self.file.append(&entries.iter().map(Record::Entry).collect::<Vec<_>>()).await;
        self.state.lock().entries.extend(entries.into_iter().map(|entry| (entry.log_id.index, entry)));
        flushed.log_io_completed(written);
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.file.append(&[Record::Truncate(log_id)]).await.map_err(|e| StorageIOError::write_logs(&e))?;
        drop(self.state.lock().entries.split_off(&log_id.index));
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.file.append(&[Record::Purge(log_id)]).await.map_err(|e| StorageIOError::write_logs(&e))?;
        let mut state = self.state.lock();
        state.entries.retain(|index, _| *index > log_id.index);
        state.purged = Some(log_id);
        Ok(())
    }
}

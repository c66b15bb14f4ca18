//! [`LogStore`]: openraft's log and vote, durable in the unit's journal, and in memory for reading.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader, StorageIOError};
use parking_lot::Mutex;

use crate::meta::raft_writer::RaftWriter;
use crate::meta::types::{Entry, LogId, StorageError, TypeConfig, Vote};
use crate::open_error::OpenError;
use crate::unit::{RaftChange, RaftLog};

#[derive(Debug, Default)]
struct State {
    vote: Option<Vote>,
    entries: BTreeMap<u64, Entry>,
    purged: Option<LogId>,
}

/// Clones share the log.
#[derive(Clone)]
pub(crate) struct LogStore {
    writer: RaftWriter,
    state: Arc<Mutex<State>>,
}

/// JSON of openraft's own types, which know it; the bytes are rare and small.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Bytes {
    serde_json::to_vec(value).expect("plain values are JSON").into()
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, OpenError> {
    serde_json::from_slice(bytes).map_err(|e| OpenError::Meta(e.to_string()))
}

impl LogStore {
    /// The log that the journal told.
    pub(crate) fn new(writer: RaftWriter, log: &RaftLog) -> Result<Self, OpenError> {
        let mut state = State {
            vote: log.vote.as_deref().map(from_json).transpose()?,
            purged: log.purged.as_deref().map(from_json).transpose()?,
            entries: BTreeMap::new(),
        };
        for (index, bytes) in &log.entries {
            state.entries.insert(*index, from_json(bytes)?);
        }
        Ok(Self { writer, state: Arc::new(Mutex::new(state)) })
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
        self.write(RaftChange::Vote(to_json(vote))).await.map_err(|e| StorageIOError::write_vote(&e))?;
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
                changes.push(RaftChange::Entry(entry.log_id.index, to_json(&entry)));
                state.entries.insert(entry.log_id.index, entry);
            }
        }
        // openraft does nothing else before it hears of this write, so waiting here holds up no more than the write does.
        callback.log_io_completed(self.writer.write(changes).await);
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        drop(self.state.lock().entries.split_off(&log_id.index));
        let written = self.write(RaftChange::Truncate(log_id.index)).await;
        Ok(written.map_err(|e| StorageIOError::write_logs(&e))?)
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        {
            let mut state = self.state.lock();
            state.entries.retain(|index, _| *index > log_id.index);
            state.purged = Some(log_id);
        }
        let written = self.write(RaftChange::Purge(log_id.index, to_json(&log_id))).await;
        Ok(written.map_err(|e| StorageIOError::write_logs(&e))?)
    }
}

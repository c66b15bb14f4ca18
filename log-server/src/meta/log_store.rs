//! [`LogStore`]: openraft's log and vote. They are durable in the unit's journal and kept in memory for reading.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::sync::Arc;

use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader, StorageIOError};
use parking_lot::Mutex;

use crate::meta::codec::{decode, encode};
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

/// openraft's log and vote. Clones share them.
#[derive(Clone)]
pub(crate) struct LogStore {
    writer: RaftWriter,
    state: Arc<Mutex<State>>,
}

impl LogStore {
    /// The log as the journal held it at the start.
    pub(crate) fn new(writer: RaftWriter, log: &RaftLog) -> Result<Self, OpenError> {
        let mut state = State {
            vote: log.vote.as_deref().map(decode).transpose()?,
            purged: log.purged.as_deref().map(decode).transpose()?,
            entries: BTreeMap::new(),
        };
        for (index, bytes) in &log.entries {
            state.entries.insert(*index, decode(bytes)?);
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
        {
            let mut state = self.state.lock();
            state.entries.retain(|index, _| *index > log_id.index);
            state.purged = Some(log_id);
        }
        let written = self.write(RaftChange::Purge(log_id.index, encode(&log_id))).await;
        Ok(written.map_err(|e| StorageIOError::write_logs(&e))?)
    }
}

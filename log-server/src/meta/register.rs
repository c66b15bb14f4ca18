//! [`Register`]: the state machine, which holds one value with a version.

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::{RaftStateMachine, Snapshot, SnapshotMeta};
use openraft::{EmptyNode, EntryPayload, OptionalSend, RaftSnapshotBuilder, StorageIOError, StoredMembership};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::meta::codec::{decode, encode};
use crate::meta::raft_writer::RaftWriter;
use crate::meta::types::{Answer, Entry, LogId, Put, StorageError, TypeConfig, Value};
use crate::open_error::OpenError;
use crate::unit::{RaftChange, RaftLog};

type Membership = StoredMembership<u64, EmptyNode>;
type Meta = SnapshotMeta<u64, EmptyNode>;

#[derive(Clone, Debug, Default)]
struct State {
    value: Value,
    applied: Option<LogId>,
    membership: Membership,
}

/// A snapshot as it is stored in the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Saved {
    meta: Meta,
    value: Value,
}

/// The state machine. Clones share it.
#[derive(Clone)]
pub(crate) struct Register {
    writer: RaftWriter,
    state: Arc<Mutex<State>>,
    saved: Arc<Mutex<Option<Saved>>>,
}

impl Value {
    /// Sets the value if `put` expects the current version.
    fn put(&mut self, put: Put) -> Answer {
        if put.expected != self.version {
            return Answer::Conflict(self.clone());
        }
        *self = Value { version: self.version + 1, bytes: put.bytes };
        Answer::Ok(self.version)
    }
}

/// The value after the last entry of `log`, whether or not that entry is committed. Starts from the log's snapshot.
pub(crate) fn last_value(log: &RaftLog) -> Result<Bytes, OpenError> {
    let State { mut value, applied, .. } = Saved::of(log)?.as_ref().map(Saved::state).unwrap_or_default();
    for bytes in log.entries.values() {
        let entry: Entry = decode(bytes)?;
        if applied.is_none_or(|applied| entry.log_id > applied)
            && let EntryPayload::Normal(put) = entry.payload
        {
            value.put(put);
        }
    }
    Ok(value.bytes.into())
}

impl Register {
    /// The register at the journal's last snapshot. openraft applies the entries after it again.
    pub(crate) fn new(writer: RaftWriter, log: &RaftLog) -> Result<Self, OpenError> {
        let saved = Saved::of(log)?;
        let state = saved.as_ref().map(Saved::state).unwrap_or_default();
        Ok(Self { writer, state: Arc::new(Mutex::new(state)), saved: Arc::new(Mutex::new(saved)) })
    }

    /// The value that this replica has applied.
    pub(crate) fn value(&self) -> Value {
        self.state.lock().value.clone()
    }

    async fn save(&self, saved: Saved) -> Result<(), StorageError> {
        let written = self.writer.write(vec![RaftChange::Snapshot(encode(&saved))]).await;
        written.map_err(|e| StorageIOError::write_snapshot(Some(saved.meta.signature()), &e))?;
        *self.saved.lock() = Some(saved);
        Ok(())
    }
}

impl Saved {
    /// Decodes the snapshot of `log`, if it has one.
    fn of(log: &RaftLog) -> Result<Option<Self>, OpenError> {
        Ok(log.snapshot.as_deref().map(decode).transpose()?)
    }

    fn state(&self) -> State {
        State {
            value: self.value.clone(),
            applied: self.meta.last_log_id,
            membership: self.meta.last_membership.clone(),
        }
    }

    fn snapshot(&self) -> Snapshot<TypeConfig> {
        let data = Cursor::new(encode(&self.value).to_vec());
        Snapshot { meta: self.meta.clone(), snapshot: Box::new(data) }
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Register {
    async fn build_snapshot(&mut self) -> Result<Snapshot<TypeConfig>, StorageError> {
        let State { value, applied, membership } = self.state.lock().clone();
        let snapshot_id = applied.map_or_else(|| "empty".to_owned(), |id| format!("{}-{}", id.leader_id, id.index));
        let meta = Meta { last_log_id: applied, last_membership: membership, snapshot_id };
        let saved = Saved { meta, value };
        let snapshot = saved.snapshot();
        self.save(saved).await?;
        Ok(snapshot)
    }
}

impl RaftStateMachine<TypeConfig> for Register {
    type SnapshotBuilder = Register;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), StorageError> {
        let state = self.state.lock();
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Answer>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut state = self.state.lock();
        let mut answers = Vec::new();
        for entry in entries {
            state.applied = Some(entry.log_id);
            answers.push(match entry.payload {
                EntryPayload::Blank => Answer::None,
                EntryPayload::Normal(put) => state.value.put(put),
                EntryPayload::Membership(membership) => {
                    state.membership = StoredMembership::new(Some(entry.log_id), membership);
                    Answer::None
                }
            });
        }
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(&mut self, meta: &Meta, snapshot: Box<Cursor<Vec<u8>>>) -> Result<(), StorageError> {
        let value = decode::<Value>(snapshot.get_ref());
        let value = value.map_err(|e| StorageIOError::read_snapshot(Some(meta.signature()), &e))?;
        let saved = Saved { meta: meta.clone(), value };
        let state = saved.state();
        self.save(saved).await?;
        *self.state.lock() = state;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<TypeConfig>>, StorageError> {
        Ok(self.saved.lock().as_ref().map(Saved::snapshot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_needs_the_version_that_is_there() {
        let mut value = Value::default();
        let put = |expected, text: &str| Put { expected, bytes: text.as_bytes().to_vec() };
        assert_eq!(value.put(put(0, "a")), Answer::Ok(1));
        assert_eq!(value.put(put(0, "b")), Answer::Conflict(value.clone()));
        assert_eq!(value.put(put(1, "c")), Answer::Ok(2));
        assert_eq!(value.bytes, b"c");
    }
}

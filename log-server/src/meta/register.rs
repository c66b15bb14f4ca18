//! [`Register`]: the state machine, which holds one value with a version.

use std::io::Cursor;
use std::sync::Arc;

use naxos_proto::ids::{ChainVersion, StorageId};
use openraft::storage::{RaftStateMachine, Snapshot, SnapshotMeta};
use openraft::{EmptyNode, EntryPayload, OptionalSend, RaftSnapshotBuilder, StorageIOError, StoredMembership};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::meta::codec::{decode, encode};
use crate::meta::found_register::FoundRegister;
use crate::meta::raft_writer::RaftWriter;
use crate::meta::snapshot_mark::SnapshotMark;
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
    mark: Arc<watch::Sender<SnapshotMark>>,
    /// Held while a snapshot is being written, so that an older one is never written over a newer one.
    saving: Arc<tokio::sync::Mutex<()>>,
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

/// The state after the last entry of `log`, whether or not that entry is committed. Starts from the log's snapshot.
pub(crate) fn last_state(log: &RaftLog) -> Result<FoundRegister, OpenError> {
    let State { mut value, applied, mut membership } = Saved::of(log)?.as_ref().map(Saved::state).unwrap_or_default();
    let mut last = applied;
    for bytes in log.entries.values() {
        let entry: Entry = decode(bytes)?;
        if last.is_some_and(|last| entry.log_id <= last) {
            continue;
        }
        last = Some(entry.log_id);
        match entry.payload {
            EntryPayload::Normal(put) => drop(value.put(put)),
            EntryPayload::Membership(changed) => membership = StoredMembership::new(Some(entry.log_id), changed),
            EntryPayload::Blank => {}
        }
    }
    Ok(FoundRegister {
        version: ChainVersion(value.version),
        bytes: value.bytes.into(),
        last: last.map_or((0, 0), |id| (id.leader_id.term, id.index)),
        voters: membership
            .membership()
            .get_joint_config()
            .iter()
            .map(|voters| voters.iter().copied().map(StorageId).collect())
            .collect(),
    })
}

impl Register {
    /// The register at the journal's last snapshot. openraft applies the entries after it again.
    pub(crate) fn new(writer: RaftWriter, log: &RaftLog) -> Result<Self, OpenError> {
        let saved = Saved::of(log)?;
        let state = saved.as_ref().map(Saved::state).unwrap_or_default();
        let mark = SnapshotMark { last: state.applied, failed: false };
        Ok(Self {
            writer,
            state: Arc::new(Mutex::new(state)),
            saved: Arc::new(Mutex::new(saved)),
            mark: Arc::new(watch::Sender::new(mark)),
            saving: Arc::default(),
        })
    }

    /// Tells how much of the log a durable snapshot covers, at each change.
    pub(crate) fn mark(&self) -> watch::Receiver<SnapshotMark> {
        self.mark.subscribe()
    }

    /// The value that this replica has applied.
    pub(crate) fn value(&self) -> Value {
        self.state.lock().value.clone()
    }

    /// Makes a snapshot durable, unless a later one is. openraft may build one while it installs another.
    async fn save(&self, saved: Saved) -> Result<(), StorageError> {
        let _one = self.saving.lock().await;
        if self.saved.lock().as_ref().is_some_and(|newest| newest.meta.last_log_id > saved.meta.last_log_id) {
            return Ok(());
        }
        let written = self.writer.write(vec![RaftChange::Snapshot(encode(&saved))]).await;
        match &written {
            Ok(()) => self.mark.send_modify(|mark| mark.last = saved.meta.last_log_id),
            Err(_) => self.mark.send_modify(|mark| mark.failed = true),
        }
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
    fn a_journal_tells_the_last_value_its_place_and_the_voters() {
        let id = |term, index| LogId::new(openraft::CommittedLeaderId::new(term, 1), index);
        let put = |expected, text: &str| EntryPayload::Normal(Put { expected, bytes: text.as_bytes().to_vec() });
        let voters = |ids: &[u64]| {
            EntryPayload::Membership(openraft::Membership::new(vec![ids.iter().copied().collect()], None))
        };
        let payloads = [voters(&[1]), put(0, "a"), put(0, "late"), voters(&[1, 2, 3]), put(1, "b")];
        let mut log = RaftLog::default();
        for (payload, index) in payloads.into_iter().zip(0..) {
            let entry = Entry { log_id: id(2, index), payload };
            log.apply(&RaftChange::Entry(index, encode(&entry)));
        }
        let expected = FoundRegister {
            version: ChainVersion(2),
            bytes: bytes::Bytes::from_static(b"b"),
            last: (2, 4),
            voters: vec![[1, 2, 3].map(StorageId).into()],
        };
        assert_eq!(last_state(&log).unwrap(), expected);
        assert_eq!(last_state(&RaftLog::default()).unwrap(), FoundRegister::default());
    }

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

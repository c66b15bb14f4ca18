//! [`Counter`]: the state machine, which holds one total in memory.

use std::io::Cursor;
use std::sync::Arc;

use openraft::storage::{RaftStateMachine, Snapshot, SnapshotMeta};
use openraft::{BasicNode, EntryPayload, OptionalSend, RaftSnapshotBuilder, StorageIOError, StoredMembership};
use parking_lot::Mutex;

use super::types::{Command, Entry, LogId, StorageError, TypeConfig};

type Membership = StoredMembership<u64, BasicNode>;
type Meta = SnapshotMeta<u64, BasicNode>;

#[derive(Clone, Default)]
struct State {
    total: u64,
    applied: Option<LogId>,
    membership: Membership,
}

/// The state machine. Clones share it.
///
/// openraft makes no snapshot in this benchmark, but it asks for a state machine that could have one. A snapshot is the
/// total in JSON, and is kept in memory.
#[derive(Clone, Default)]
pub(crate) struct Counter {
    state: Arc<Mutex<State>>,
    snapshot: Arc<Mutex<Option<Snapshot<TypeConfig>>>>,
}

impl Counter {
    /// The total that this node has applied.
    pub(crate) fn total(&self) -> u64 {
        self.state.lock().total
    }

    fn keep(&self, meta: Meta, bytes: Vec<u8>) -> Snapshot<TypeConfig> {
        let snapshot = Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) };
        *self.snapshot.lock() = Some(snapshot.clone());
        snapshot
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Counter {
    async fn build_snapshot(&mut self) -> Result<Snapshot<TypeConfig>, StorageError> {
        let State { total, applied, membership } = self.state.lock().clone();
        let snapshot_id = applied.map_or_else(|| "empty".to_owned(), |id| id.to_string());
        let meta = Meta { last_log_id: applied, last_membership: membership, snapshot_id };
        Ok(self.keep(meta, total.to_string().into_bytes()))
    }
}

impl RaftStateMachine<TypeConfig> for Counter {
    type SnapshotBuilder = Counter;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), StorageError> {
        let state = self.state.lock();
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<u64>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut state = self.state.lock();
        let mut answers = Vec::new();
        for entry in entries {
            state.applied = Some(entry.log_id);
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Normal(Command::Add) => state.total += 1,
                EntryPayload::Membership(membership) => {
                    state.membership = StoredMembership::new(Some(entry.log_id), membership);
                }
            }
            answers.push(state.total);
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
        let bytes = snapshot.into_inner();
        let total = serde_json::from_slice(&bytes);
        let total = total.map_err(|e| StorageIOError::read_snapshot(Some(meta.signature()), &e))?;
        *self.state.lock() = State { total, applied: meta.last_log_id, membership: meta.last_membership.clone() };
        self.keep(meta.clone(), bytes);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<TypeConfig>>, StorageError> {
        Ok(self.snapshot.lock().clone())
    }
}

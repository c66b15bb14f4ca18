//! [`ObjectsApply`]: the objects as the application of a stack. It is a function of the log alone.
//!
//! - [`open`], [`commit`]: the commands that change objects; the third command only sets how much history is kept
//! - [`forget`]: drops old history at the end of an entry

mod commit;
mod forget;
mod open;
mod outcome;

use bytes::Bytes;
use naxos_proto::codec::DecodeError;
use naxos_proto::ids::Lsn;
use tokio::sync::watch;

use super::change_signal::ChangeSignal;
use super::command::Command;
use super::rows::kept::Kept;
use super::rows::names::kept_row;
use super::unreadable::Unreadable;
use super::version::Version;
use crate::batching::Application;
use crate::local_store::{StoreReader, Txn};

pub use outcome::Applied;
pub(super) use outcome::Outcome;

/// The objects as the application of a [`Stack`](crate::stack::Stack).
pub struct ObjectsApply {
    kept: Kept,
    /// Whether `kept` has to be written at the end of the entry.
    kept_changed: bool,
    /// The position of the entry that is being applied, or of the last one.
    entry: Lsn,
    /// Bytes of earlier values that the entry has replaced.
    replaced: usize,
    /// Whether the entry has changed an object.
    has_changed: bool,
    signal: watch::Sender<Lsn>,
}

impl ObjectsApply {
    /// The application for a store, to be given to the stack with that store, and the signal for
    /// [`Objects::new`](super::Objects::new). Fails if this build cannot read the one row that belongs to all objects.
    /// The rows of single objects are not read here.
    pub fn open(reader: &StoreReader) -> Result<(Self, ChangeSignal), DecodeError> {
        let (signal, receiver) = watch::channel(reader.applied());
        let kept = Kept::load(reader)?;
        let apply = Self { kept, kept_changed: false, entry: Lsn::ZERO, replaced: 0, has_changed: false, signal };
        Ok((apply, ChangeSignal(receiver)))
    }

    fn outcome(&mut self, txn: &mut Txn<'_>, version: Version, command: Bytes) -> Result<Outcome, Unreadable> {
        Ok(match Command::decode(command)? {
            Command::Open(name, object_type) => Outcome::Opened(self.open_object(txn, version, name, object_type)?),
            Command::Commit(reads, writes) => Outcome::Decided(self.commit(txn, version, &reads, writes)?),
            Command::Keep(history) => {
                self.kept.history = history;
                self.kept_changed = true;
                Outcome::Kept
            }
        })
    }
}

impl Application for ObjectsApply {
    type Output = Applied;

    /// Panics on a command or a row that this build cannot read: the node must not go on past such a position.
    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, index: u32, command: Bytes) -> Applied {
        if self.entry != lsn {
            self.entry = lsn;
            self.replaced = 0;
        }
        let version = Version { at: lsn, index };
        match self.outcome(txn, version, command) {
            Ok(outcome) => Applied(outcome),
            Err(e) => panic!("the command at {version} cannot be applied: {e}"),
        }
    }

    fn end_entry(&mut self, txn: &mut Txn<'_>) {
        let entry = self.entry;
        let forgotten = self.choose_forgotten(txn).unwrap_or_else(|e| panic!("the entry at {entry}: {e}"));
        // Readers read this row after the changes, to learn whether a change that they did not find is forgotten. So it
        // is written before changes are deleted.
        if std::mem::take(&mut self.kept_changed) {
            txn.put(kept_row(), self.kept.encode());
        }
        forget::delete(txn, forgotten);
    }

    fn post_apply(&mut self, _: Lsn) {}

    fn after_replies(&mut self) {
        if std::mem::take(&mut self.has_changed) {
            self.signal.send_replace(self.entry);
        }
    }
}

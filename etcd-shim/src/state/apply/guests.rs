//! [`Guests`]: the state machines beside etcd's.

use std::sync::Arc;

use bytes::Bytes;
use naxos_engines::Txn;
use naxos_engines::batching::Application;
use naxos_engines::objects::{self, ObjectsApply};
use naxos_proto::ids::Lsn;

use crate::state::own::{Applied, CannotApply, OwnMachine, Refused};

/// The state machines beside etcd's: the replicated objects, and the program's own, if it has one. They have commands and
/// rows of their own. For an entry without a command of theirs they cost nothing.
#[derive(Default)]
pub(crate) struct Guests {
    objects: Option<ObjectsApply>,
    own: Option<Arc<OwnMachine>>,
    /// Why commands of a program's own state machine cannot be applied.
    failure: CannotApply,
    /// Whether the entry has a command of the objects.
    has_objects: bool,
    /// Whether the entry has a command of the program's own state machine.
    has_own: bool,
    /// Whether the subscribers of the objects are to be told of the entry, after its callers have their answers.
    tells_objects: bool,
}

impl Guests {
    /// A command of a program's own state machine that comes while there is none becomes the reason of `failure`.
    pub(crate) fn new(objects: ObjectsApply, own: Option<Arc<OwnMachine>>, failure: CannotApply) -> Self {
        Self { objects: Some(objects), own, failure, ..Self::default() }
    }

    pub(super) fn apply_own(
        &mut self,
        txn: &mut Txn<'_>,
        at: Lsn,
        index: u32,
        command: &[u8],
    ) -> Result<Applied, Refused> {
        let own = self.own.as_ref().unwrap_or_else(|| {
            self.failure.end(format!(
                "the entry at position {at} has a command of a program's own state machine, and this node runs none: \
                 expected that program, opened with `Naxos::open(..).applicator(..)`"
            ))
        });
        self.has_own = true;
        own.apply(txn, at, index, command)
    }

    pub(super) fn apply_objects(&mut self, txn: &mut Txn<'_>, at: Lsn, index: u32, command: Bytes) -> objects::Applied {
        let objects = self.objects.as_mut().expect("a node always has the objects");
        self.has_objects = true;
        objects.apply(txn, at, index, command)
    }

    pub(super) fn end_entry(&mut self, txn: &mut Txn<'_>) {
        if let Some(objects) = self.objects.as_mut().filter(|_| self.has_objects) {
            objects.end_entry(txn);
        }
    }

    pub(super) fn post_apply(&mut self, at: Lsn) {
        if let Some(own) = self.own.as_ref().filter(|_| self.has_own) {
            own.has_applied(at);
        }
        if let Some(objects) = self.objects.as_mut().filter(|_| self.has_objects) {
            objects.post_apply(at);
        }
        self.has_own = false;
        self.tells_objects = std::mem::take(&mut self.has_objects);
    }

    pub(super) fn after_replies(&mut self) {
        if let Some(objects) = self.objects.as_mut().filter(|_| self.tells_objects) {
            objects.after_replies();
        }
        self.tells_objects = false;
    }
}

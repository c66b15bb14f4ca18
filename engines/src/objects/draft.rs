//! [`Draft`]: what the writes of a transaction do to one object.

use std::collections::BTreeSet;

use super::failure::Failure;
use super::fields::{Buffer, Fields, Layer, Overlay, Recorder};
use super::object_id::ObjectId;
use super::object_type::ObjectType;
use super::output::Output;
use super::refused::Refused;
use super::seen::Seen;
use super::types;
use super::unreadable::Unreadable;
use super::version::Version;
use super::write::Write;

/// What the writes of a transaction do to one object, before the transaction is decided. It is made for one version of
/// the object. When another writer changes the object, a new draft is made, because the rows of two versions do not fit
/// together.
#[derive(Clone, Default)]
pub(super) struct Draft {
    /// The version of the object for which the draft is made.
    made_for: Version,
    buffer: Buffer,
    /// The fields and states that the writes have read, without those of blind writes. They count as seen when the
    /// caller reads the object.
    met: BTreeSet<Seen>,
}

/// A write that can be done.
pub(super) struct Tried {
    pub(super) output: Output,
    /// The fields and states that the write has read.
    pub(super) met: BTreeSet<Seen>,
    changes: Buffer,
}

/// A write that cannot be done, with all fields and states that the refusal depends on.
pub(super) struct Denied {
    pub(super) refused: Refused,
    pub(super) met: BTreeSet<Seen>,
}

impl Draft {
    /// Makes the draft of these writes.
    pub(super) fn make<'a>(
        fields: &dyn Fields,
        (object, object_type): (ObjectId, ObjectType),
        writes: impl IntoIterator<Item = &'a Write>,
    ) -> Result<Result<Self, Denied>, Unreadable> {
        let made_for = fields.state(object)?.changed;
        let mut draft = Self { made_for, ..Self::default() };
        for write in writes {
            match draft.try_out(fields, (object, object_type), write)? {
                Ok(tried) => draft.add(write, tried),
                Err(denied) => return Ok(Err(denied)),
            }
        }
        Ok(Ok(draft))
    }

    /// Whether the object is still as it was when the draft was made.
    pub(super) fn is_current(&self, fields: &dyn Fields, object: ObjectId) -> Result<bool, Unreadable> {
        Ok(fields.state(object)?.changed == self.made_for)
    }

    /// Tries out one more write.
    pub(super) fn try_out(
        &self,
        fields: &dyn Fields,
        (object, object_type): (ObjectId, ObjectType),
        write: &Write,
    ) -> Result<Result<Tried, Denied>, Unreadable> {
        let recorder = Recorder::new(fields);
        let so_far = self.over(&recorder);
        let mut overlay = Overlay::new(&so_far);
        match types::apply(&mut overlay, object, object_type, write) {
            Ok(output) => {
                let changes = overlay.into_buffer();
                Ok(Ok(Tried { output, changes, met: recorder.into_seen() }))
            }
            Err(Failure::Refused(refused)) => {
                let met = self.met.union(&recorder.into_seen()).cloned().collect();
                Ok(Err(Denied { refused, met }))
            }
            Err(Failure::Unreadable(unreadable)) => Err(unreadable),
        }
    }

    /// Adds a write that was tried out on this draft.
    pub(super) fn add(&mut self, write: &Write, tried: Tried) {
        self.buffer.absorb(tried.changes);
        // What a blind write does is the same in every state, so what it met does not matter.
        if !write.is_blind() {
            self.met.extend(tried.met);
        }
    }

    /// The fields as they are after the writes.
    pub(super) fn over<'a>(&'a self, base: &'a dyn Fields) -> Layer<'a> {
        Layer { base, buffer: &self.buffer }
    }

    /// The fields and states that the writes have read, without those of blind writes.
    pub(super) fn met(&self) -> &BTreeSet<Seen> {
        &self.met
    }
}

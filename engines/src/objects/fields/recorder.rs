//! [`Recorder`]: notes what is read.

use std::cell::RefCell;
use std::collections::BTreeSet;

use bytes::Bytes;

use super::fields_trait::Fields;
use super::key_range::KeyRange;
use crate::objects::object_id::ObjectId;
use crate::objects::rows::field::Field;
use crate::objects::rows::state::ObjectState;
use crate::objects::seen::Seen;
use crate::objects::unreadable::Unreadable;
use crate::objects::version::Version;

/// Notes what is read from `base`, for the read set of a transaction. A read of one field depends on that field only. A
/// scan and a count depend on the whole object, because a field that is added or removed may change their result.
pub(in crate::objects) struct Recorder<'a> {
    base: &'a dyn Fields,
    seen: RefCell<BTreeSet<Seen>>,
}

impl<'a> Recorder<'a> {
    pub(in crate::objects) fn new(base: &'a dyn Fields) -> Self {
        Self { base, seen: RefCell::default() }
    }

    /// What was read. If a read depends on a whole object, the fields of that object are left out.
    pub(in crate::objects) fn into_seen(self) -> BTreeSet<Seen> {
        let mut seen = self.seen.into_inner();
        let whole: BTreeSet<_> = seen.iter().filter(|seen| seen.key.is_none()).map(|seen| seen.object).collect();
        seen.retain(|seen| seen.key.is_none() || !whole.contains(&seen.object));
        seen
    }

    fn note(&self, object: ObjectId, key: Option<Bytes>, version: Version) {
        self.seen.borrow_mut().insert(Seen { object, key, version });
    }
}

impl Fields for Recorder<'_> {
    fn get(&self, object: ObjectId, key: &[u8]) -> Result<Option<Field>, Unreadable> {
        let found = self.base.get(object, key)?;
        let version = found.as_ref().map_or(Version::ZERO, |field| field.version);
        self.note(object, Some(Bytes::copy_from_slice(key)), version);
        Ok(found)
    }

    fn scan(&self, object: ObjectId, range: &KeyRange, limit: usize) -> Result<Vec<(Bytes, Field)>, Unreadable> {
        self.state(object)?;
        self.base.scan(object, range, limit)
    }

    fn state(&self, object: ObjectId) -> Result<ObjectState, Unreadable> {
        let state = self.base.state(object)?;
        self.note(object, None, state.changed);
        Ok(state)
    }
}

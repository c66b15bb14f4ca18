//! [`Buffer`]: changes of cells that are not written yet.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::key_range::KeyRange;
use crate::objects::object_id::ObjectId;

/// Changes of cells that are not written yet: the new value, or `None` for a deleted cell.
#[derive(Clone, Debug, Default)]
pub(in crate::objects) struct Buffer {
    objects: BTreeMap<ObjectId, BTreeMap<Bytes, Option<Bytes>>>,
}

impl Buffer {
    /// The change of a cell. `None` if the buffer does not change it.
    pub(super) fn get(&self, object: ObjectId, key: &[u8]) -> Option<&Option<Bytes>> {
        self.objects.get(&object)?.get(key)
    }

    pub(super) fn set(&mut self, object: ObjectId, key: Bytes, value: Option<Bytes>) {
        self.objects.entry(object).or_default().insert(key, value);
    }

    /// The changed cells of an object.
    pub(in crate::objects) fn of(&self, object: ObjectId) -> impl Iterator<Item = (&Bytes, &Option<Bytes>)> {
        self.objects.get(&object).into_iter().flatten()
    }

    /// The changed cells of an object within the range.
    pub(super) fn within(&self, object: ObjectId, range: &KeyRange) -> impl Iterator<Item = (&Bytes, &Option<Bytes>)> {
        let cells = self.objects.get(&object).into_iter().flat_map(|cells| cells.range(range.from.clone()..));
        cells.take_while(|(key, _)| range.contains(key))
    }

    /// The objects of which the buffer changes cells.
    pub(in crate::objects) fn objects(&self) -> impl Iterator<Item = ObjectId> {
        self.objects.keys().copied()
    }

    /// Adds the changes of a later buffer.
    pub(in crate::objects) fn absorb(&mut self, later: Buffer) {
        for (object, cells) in later.objects {
            self.objects.entry(object).or_default().extend(cells);
        }
    }
}

//! [`Buffer`]: changes of fields that are not written yet.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::key_range::KeyRange;
use crate::objects::object_id::ObjectId;

/// Changes of fields that are not written yet: the new value, or `None` for a deleted field.
#[derive(Clone, Debug, Default)]
pub(in crate::objects) struct Buffer {
    objects: BTreeMap<ObjectId, BTreeMap<Bytes, Option<Bytes>>>,
}

impl Buffer {
    /// The change of a field. `None` if the buffer does not change it.
    pub(super) fn get(&self, object: ObjectId, key: &[u8]) -> Option<&Option<Bytes>> {
        self.objects.get(&object)?.get(key)
    }

    pub(super) fn set(&mut self, object: ObjectId, key: Bytes, value: Option<Bytes>) {
        self.objects.entry(object).or_default().insert(key, value);
    }

    /// The changed fields of an object.
    pub(in crate::objects) fn of(&self, object: ObjectId) -> impl Iterator<Item = (&Bytes, &Option<Bytes>)> {
        self.objects.get(&object).into_iter().flatten()
    }

    /// The changed fields of an object within the range.
    pub(super) fn within(&self, object: ObjectId, range: &KeyRange) -> impl Iterator<Item = (&Bytes, &Option<Bytes>)> {
        let fields = self.objects.get(&object).into_iter().flat_map(|fields| fields.range(range.from.clone()..));
        fields.take_while(|(key, _)| range.contains(key))
    }

    /// The objects of which the buffer changes fields.
    pub(in crate::objects) fn objects(&self) -> impl Iterator<Item = ObjectId> {
        self.objects.keys().copied()
    }

    /// Adds the changes of a later buffer.
    pub(in crate::objects) fn absorb(&mut self, later: Buffer) {
        for (object, fields) in later.objects {
            self.objects.entry(object).or_default().extend(fields);
        }
    }
}

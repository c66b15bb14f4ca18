//! [`Overlay`]: changes fields without writing rows.

use bytes::Bytes;

use super::buffer::Buffer;
use super::fields_trait::Fields;
use super::key_range::KeyRange;
use super::layer::Layer;
use crate::objects::object_id::ObjectId;
use crate::objects::rows::field::Field;
use crate::objects::rows::state::ObjectState;
use crate::objects::unreadable::Unreadable;

/// Fields that can be changed. The changes stay in a buffer, so a write that is refused half-way leaves nothing.
pub(in crate::objects) struct Overlay<'a> {
    base: &'a dyn Fields,
    buffer: Buffer,
}

impl<'a> Overlay<'a> {
    pub(in crate::objects) fn new(base: &'a dyn Fields) -> Self {
        Self { base, buffer: Buffer::default() }
    }

    pub(in crate::objects) fn put(&mut self, object: ObjectId, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.buffer.set(object, key.into(), Some(value.into()));
    }

    pub(in crate::objects) fn delete(&mut self, object: ObjectId, key: impl Into<Bytes>) {
        self.buffer.set(object, key.into(), None);
    }

    /// The changes.
    pub(in crate::objects) fn into_buffer(self) -> Buffer {
        self.buffer
    }

    fn layer(&self) -> Layer<'_> {
        Layer { base: self.base, buffer: &self.buffer }
    }
}

impl Fields for Overlay<'_> {
    fn get(&self, object: ObjectId, key: &[u8]) -> Result<Option<Field>, Unreadable> {
        self.layer().get(object, key)
    }

    fn scan(&self, object: ObjectId, range: &KeyRange, limit: usize) -> Result<Vec<(Bytes, Field)>, Unreadable> {
        self.layer().scan(object, range, limit)
    }

    fn state(&self, object: ObjectId) -> Result<ObjectState, Unreadable> {
        self.layer().state(object)
    }
}

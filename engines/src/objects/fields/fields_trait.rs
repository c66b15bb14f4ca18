//! [`Fields`]: fields that can be read.

use bytes::Bytes;

use super::key_range::KeyRange;
use crate::objects::object_id::ObjectId;
use crate::objects::rows::field::Field;
use crate::objects::rows::state::ObjectState;
use crate::objects::unreadable::Unreadable;

/// Fields that can be read, all at one version. A read fails if a row cannot be decoded, or if the history that it
/// needs is forgotten.
pub(in crate::objects) trait Fields {
    /// The field with this key.
    fn get(&self, object: ObjectId, key: &[u8]) -> Result<Option<Field>, Unreadable>;

    /// The first fields of the range, in the order of their keys. If there are fewer than `limit`, they are all.
    fn scan(&self, object: ObjectId, range: &KeyRange, limit: usize) -> Result<Vec<(Bytes, Field)>, Unreadable>;

    /// The state of the object as a whole.
    fn state(&self, object: ObjectId) -> Result<ObjectState, Unreadable>;
}

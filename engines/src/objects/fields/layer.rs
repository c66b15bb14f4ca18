//! [`Layer`]: shows fields as they are after the changes of a buffer.

use bytes::Bytes;

use super::buffer::Buffer;
use super::fields_trait::Fields;
use super::key_range::KeyRange;
use super::pages::scan_pages;
use crate::objects::object_id::ObjectId;
use crate::objects::rows::field::Field;
use crate::objects::rows::state::ObjectState;
use crate::objects::unreadable::Unreadable;
use crate::objects::version::Version;

/// The fields of `base` as they are after the changes of `buffer`. A changed field has no version yet, so it has
/// [`Version::ZERO`].
pub(in crate::objects) struct Layer<'a> {
    pub(in crate::objects) base: &'a dyn Fields,
    pub(in crate::objects) buffer: &'a Buffer,
}

fn unwritten(value: &Option<Bytes>) -> Option<Field> {
    value.clone().map(|value| Field { version: Version::ZERO, value })
}

impl Fields for Layer<'_> {
    fn get(&self, object: ObjectId, key: &[u8]) -> Result<Option<Field>, Unreadable> {
        match self.buffer.get(object, key) {
            Some(value) => Ok(unwritten(value)),
            None => self.base.get(object, key),
        }
    }

    fn scan(&self, object: ObjectId, range: &KeyRange, limit: usize) -> Result<Vec<(Bytes, Field)>, Unreadable> {
        let replaced = |part: &KeyRange| {
            Ok(self.buffer.within(object, part).map(|(key, value)| (key.clone(), unwritten(value))).collect())
        };
        scan_pages(range, limit, |part, limit| self.base.scan(object, part, limit), replaced)
    }

    fn state(&self, object: ObjectId) -> Result<ObjectState, Unreadable> {
        let mut state = self.base.state(object)?;
        for (key, value) in self.buffer.of(object) {
            let was_there = self.base.get(object, key)?.is_some();
            state.fields = state.fields + u64::from(value.is_some()) - u64::from(was_there);
        }
        Ok(state)
    }
}

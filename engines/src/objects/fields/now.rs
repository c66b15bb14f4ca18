//! [`FieldsNow`]: the fields in the transaction of an entry.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::fields_trait::Fields;
use super::key_range::KeyRange;
use super::pages::{fields_of, scan_pages};
use crate::local_store::Txn;
use crate::objects::object_id::ObjectId;
use crate::objects::rows::field::Field;
use crate::objects::rows::names::{field_row, state_row};
use crate::objects::rows::state::ObjectState;
use crate::objects::unreadable::Unreadable;

/// The fields in the transaction of the entry that is being applied.
pub(in crate::objects) struct FieldsNow<'a, 't> {
    pub(in crate::objects) txn: &'a Txn<'t>,
}

impl Fields for FieldsNow<'_, '_> {
    fn get(&self, object: ObjectId, key: &[u8]) -> Result<Option<Field>, Unreadable> {
        Ok(self.txn.get(&field_row(object, key)).map(Field::decode).transpose()?)
    }

    fn scan(&self, object: ObjectId, range: &KeyRange, limit: usize) -> Result<Vec<(Bytes, Field)>, Unreadable> {
        let rows = |part: &KeyRange, limit: usize| {
            let (from, below) = part.rows(object);
            fields_of(self.txn.scan(&from, &below, limit))
        };
        scan_pages(range, limit, rows, |_| Ok(BTreeMap::new()))
    }

    fn state(&self, object: ObjectId) -> Result<ObjectState, Unreadable> {
        Ok(self.txn.get(&state_row(object)).map(ObjectState::decode).transpose()?.unwrap_or_default())
    }
}

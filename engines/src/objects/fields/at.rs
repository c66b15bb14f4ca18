//! [`FieldsAt`]: the fields at a version.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use naxos_proto::codec::DecodeError;

use super::fields_trait::Fields;
use super::key_range::KeyRange;
use super::pages::{fields_of, scan_pages};
use crate::local_store::StoreReader;
use crate::objects::object_id::ObjectId;
use crate::objects::rows::change::ChangeRow;
use crate::objects::rows::field::Field;
use crate::objects::rows::kept::Kept;
use crate::objects::rows::names::{change_row, changes_end, field_row, state_row, version_of};
use crate::objects::rows::state::ObjectState;
use crate::objects::unreadable::Unreadable;
use crate::objects::version::Version;

/// Rows of changes that are read at a time.
const PAGE_CHANGES: usize = 32;

/// The fields at a version, from any thread, while entries are applied. Every row is read as it is now, and the changes
/// after the version say what it was then. So a read costs more, the more changes its object had since.
///
/// If changes after the version are forgotten, a read that needs them is refused.
pub(in crate::objects) struct FieldsAt<'a> {
    pub(in crate::objects) reader: &'a StoreReader,
    pub(in crate::objects) at: Version,
}

/// Calls `each` with every change of the object after version `after` that is kept, in order, until it breaks off.
pub(in crate::objects) fn changes_after(
    reader: &StoreReader,
    object: ObjectId,
    after: Version,
    mut each: impl FnMut(Version, ChangeRow) -> ControlFlow<()>,
) -> Result<(), DecodeError> {
    let (mut from, end) = (change_row(object, after.next()), changes_end(object));
    loop {
        let page = reader.scan(&from, &end, PAGE_CHANGES);
        let Some((last, _)) = page.last() else { return Ok(()) };
        from = last.clone().after();
        for (row, value) in page {
            if each(version_of(&row), ChangeRow::decode(value)?).is_break() {
                return Ok(());
            }
        }
    }
}

impl FieldsAt<'_> {
    /// As [`changes_after`] with this version, but fails at the end if changes of any object after the version are
    /// forgotten.
    fn changes(
        &self,
        object: ObjectId,
        each: impl FnMut(Version, ChangeRow) -> ControlFlow<()>,
    ) -> Result<(), Unreadable> {
        changes_after(self.reader, object, self.at, each)?;
        // Only now, because changes may have been forgotten meanwhile.
        let oldest = Kept::load(self.reader)?.oldest;
        if oldest > self.at { Err(Unreadable::Forgotten { asked: self.at, oldest }) } else { Ok(()) }
    }
}

impl Fields for FieldsAt<'_> {
    fn get(&self, object: ObjectId, key: &[u8]) -> Result<Option<Field>, Unreadable> {
        let mut found = self.reader.get(&field_row(object, key)).map(Field::decode).transpose()?;
        if found.as_ref().is_some_and(|field| field.version <= self.at) {
            return Ok(found);
        }
        self.changes(object, |_, mut change| match change.fields.remove(key) {
            Some(before) => {
                found = before;
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        })?;
        Ok(found)
    }

    fn scan(&self, object: ObjectId, range: &KeyRange, limit: usize) -> Result<Vec<(Bytes, Field)>, Unreadable> {
        let rows = |part: &KeyRange, limit: usize| {
            let (from, below) = part.rows(object);
            fields_of(self.reader.scan(&from, &below, limit))
        };
        let replaced = |part: &KeyRange| {
            let mut before = BTreeMap::new();
            self.changes(object, |_, change| {
                for (key, field) in change.fields.into_iter().filter(|(key, _)| part.contains(key)) {
                    // The first change after the version has the field as it was then.
                    before.entry(key).or_insert(field);
                }
                ControlFlow::Continue(())
            })?;
            Ok(before)
        };
        scan_pages(range, limit, rows, replaced)
    }

    fn state(&self, object: ObjectId) -> Result<ObjectState, Unreadable> {
        let row = self.reader.get(&state_row(object)).map(ObjectState::decode).transpose()?;
        let mut found = row.unwrap_or_default();
        if found.changed > self.at {
            self.changes(object, |_, change| {
                found = change.before;
                ControlFlow::Break(())
            })?;
        }
        Ok(found)
    }
}

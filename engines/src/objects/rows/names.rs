//! The names of the rows.

use bytes::Bytes;
use naxos_proto::ids::StoreId;

use crate::local_store::{RowKey, TableId};
use crate::objects::object_id::ObjectId;
use crate::objects::version::Version;

/// The first table of the objects. All other tables of a node are below it, so that they fit into the same store.
const FIRST: u8 = 64;
const NAMES: TableId = TableId(FIRST);
const OBJECTS: TableId = TableId(FIRST + 1);
const STATES: TableId = TableId(FIRST + 2);
const FIELDS: TableId = TableId(FIRST + 3);
const CHANGES: TableId = TableId(FIRST + 4);
const COMMITS: TableId = TableId(FIRST + 5);
const KEPT: TableId = TableId(FIRST + 6);

fn row(table: TableId, key: &[u8]) -> RowKey {
    RowKey::new(StoreId(0), table, key)
}

/// The row that says which object has this name.
pub(in crate::objects) fn name_row(name: &str) -> RowKey {
    row(NAMES, name.as_bytes())
}

/// The row with the values of an object that never change.
pub(in crate::objects) fn object_row(object: ObjectId) -> RowKey {
    row(OBJECTS, &object.0.to_be_bytes())
}

/// The row with the values that belong to an object as a whole and change with its writes.
pub(in crate::objects) fn state_row(object: ObjectId) -> RowKey {
    row(STATES, &object.0.to_be_bytes())
}

/// The row of a field.
pub(in crate::objects) fn field_row(object: ObjectId, key: &[u8]) -> RowKey {
    row(FIELDS, &[&object.0.to_be_bytes()[..], key].concat())
}

/// The name behind all fields of an object.
pub(in crate::objects) fn fields_end(object: ObjectId) -> RowKey {
    row(FIELDS, &(object.0 + 1).to_be_bytes())
}

/// The key of the field that has this row.
pub(in crate::objects) fn key_of(field_row: &RowKey) -> Bytes {
    Bytes::copy_from_slice(&field_row.key[8..])
}

/// The row of what the commit at `version` did to an object.
pub(in crate::objects) fn change_row(object: ObjectId, version: Version) -> RowKey {
    row(CHANGES, &[&object.0.to_be_bytes()[..], &version.sorted()].concat())
}

/// The name behind all changes of an object.
pub(in crate::objects) fn changes_end(object: ObjectId) -> RowKey {
    row(CHANGES, &(object.0 + 1).to_be_bytes())
}

/// The row of the commit at `version`.
pub(in crate::objects) fn commit_row(version: Version) -> RowKey {
    row(COMMITS, &version.sorted())
}

/// The row that says what is kept. In the order of the rows it comes right after the commits.
pub(in crate::objects) fn kept_row() -> RowKey {
    row(KEPT, &[])
}

/// The version at the end of a row's name.
pub(in crate::objects) fn version_of(row: &RowKey) -> Version {
    Version::from_sorted(&row.key).expect("rows of changes and commits are named by versions")
}

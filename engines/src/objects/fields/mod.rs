//! Ways to read and change fields. The types of objects ([`super::types`]) are written against [`Fields`] and
//! [`Overlay`] only, so the same code runs when a command is applied, when a transaction tries a write out, and when an
//! earlier version is read.
//!
//! - [`FieldsNow`]: the rows of the entry that is being applied; [`FieldsAt`]: the rows at a version, from any thread
//! - [`Recorder`]: notes what is read; [`Layer`]: shows fields with the changes of a [`Buffer`]; [`Overlay`]: changes
//!   fields without writing rows

mod at;
mod buffer;
mod fields_trait;
mod key_range;
mod layer;
mod now;
mod overlay;
mod pages;
mod recorder;

pub(super) use at::{FieldsAt, changes_after};
pub(super) use buffer::Buffer;
pub(super) use fields_trait::Fields;
pub(super) use key_range::KeyRange;
pub(super) use layer::Layer;
pub(super) use now::FieldsNow;
pub(super) use overlay::Overlay;
pub(super) use recorder::Recorder;

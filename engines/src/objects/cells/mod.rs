//! Ways to read and change cells. The types of objects ([`super::types`]) are written against [`Cells`] and [`Overlay`]
//! only, so the same code runs when a command is applied, when a transaction tries a write out, and when an earlier version
//! is read.
//!
//! - [`CellsNow`]: the rows of the entry that is being applied; [`CellsAt`]: the rows at a version, from any thread
//! - [`Recorder`]: notes what is read; [`Layer`]: shows cells with the changes of a [`Buffer`]; [`Overlay`]: changes cells
//!   without writing rows

mod at;
mod buffer;
mod cells_trait;
mod key_range;
mod layer;
mod now;
mod overlay;
mod pages;
mod recorder;

pub(super) use at::{CellsAt, changes_after};
pub(super) use buffer::Buffer;
pub(super) use cells_trait::Cells;
pub(super) use key_range::KeyRange;
pub(super) use layer::Layer;
pub(super) use now::CellsNow;
pub(super) use overlay::Overlay;
pub(super) use recorder::Recorder;

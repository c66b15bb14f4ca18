//! The file of redb, whose writes reach the disk in the file's order and at a pace that spares the journal's syncs.
//!
//! - [`Backend`]: the file as redb sees it; [`HeldFile`]: holds its writes until they are released
//! - [`writes`]: the held writes, neighbours joined

mod backend;
mod held_file;
mod writes;

pub(crate) use backend::Backend;
pub(crate) use held_file::{HeldFile, Left};

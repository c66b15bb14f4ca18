//! redb's file. Its writes reach the disk in ascending order of their positions, and slowly enough that they hardly
//! delay the syncs of the log server's journal.
//!
//! - [`Backend`]: the file as redb sees it; [`HeldFile`]: holds its writes until they are released
//! - [`writes`]: the held writes, adjacent ones joined

mod backend;
mod held_file;
mod writes;

pub(crate) use backend::Backend;
pub(crate) use held_file::{HeldFile, Left};

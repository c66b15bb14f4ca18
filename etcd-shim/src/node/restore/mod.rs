//! Making a data directory from a backup, of etcd or of Naxos: `naxos ctl restore`.
//!
//! The new data directory has a local store with the rows of the backup, and a log that begins after them. As in a
//! recovery ([`super::recover`]), it is made in the folder `recovery` within the target directory. When it is complete,
//! it is moved from there into the target directory itself.
//!
//! - [`restore`]: makes the directory; [`StoreRows`](store_rows::StoreRows): the rows of its local store
//! - [`Founding`]: the members of the new cluster, and the ids of its log and of their directories

mod founding;
#[expect(clippy::module_inception, reason = "one procedure per file, named after it")]
mod restore;
mod restore_error;
mod store_rows;

pub(crate) use founding::Founding;
pub(crate) use restore::{Outcome, restore};
pub(crate) use restore_error::RestoreError;

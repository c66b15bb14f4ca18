//! Applies commands: the only code that changes the replicated state.
//!
//! - [`machine`]: applies the commands of an entry; [`guests`]: hands commands to the other state machines;
//!   [`writer`]: the changes of one command, which `write_keys`, `write_leases`, `write_members`, `write_recovery` and
//!   `write_versions` make; [`txn`]: carries out a transaction

mod guests;
pub(crate) mod machine;
mod txn;
mod write_keys;
mod write_leases;
mod write_members;
mod write_recovery;
mod write_versions;
mod writer;

pub(crate) use guests::Guests;
pub use machine::{Listener, Machine};

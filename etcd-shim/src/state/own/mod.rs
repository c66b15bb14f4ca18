//! A program's own state machine, beside etcd's: it has its own commands in the log and its own rows in the local store.
//!
//! - [`Applicator`]: what the program writes; [`Refused`]: how it refuses a command
//! - [`Keys`]: the keys that a call is about
//! - [`Rows`]: the rows while a command is applied; [`RowSpace`]: where they are; [`View`]: the rows for a query
//! - [`OwnMachine`]: runs the applicator on a node; [`Applied`]: what a command gave; [`CannotApply`]: why it cannot go
//!   on

mod applicator;
mod applied;
mod cannot_apply;
mod keys;
mod own_machine;
mod refused;
mod row_space;
mod rows;
mod view;

pub use applicator::Applicator;
pub use applied::Applied;
pub(crate) use cannot_apply::CannotApply;
pub use keys::Keys;
pub(crate) use own_machine::OwnMachine;
pub use refused::Refused;
pub use row_space::RowSpace;
pub use rows::Rows;
pub use view::View;

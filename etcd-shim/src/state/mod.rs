//! The etcd state machine: multi-version key space, leases, alarms, members. A function of the log.
//!
//! - [`command`]: what travels in the log; [`machine`]: applies it; [`txn`]: transactions
//! - [`store`]: one key space in memory; [`tree`], [`key_entry`], [`key_value`]: its index; [`rows`]: its rows;
//!   [`residents`]: which values memory holds; [`chunked_queue`]: what compaction will free, in order
//! - [`range`]: reads, in apply and beside it; [`collect`]: their walk over the index, in steps; [`hash`]: HashKV;
//!   [`janitor`]: drops what compaction freed
//! - [`row_source`], [`needed_rows`]: values that only the disk has, read before the lock is taken
//! - [`keeper`]: which node says when leases end; [`cold_reader`]: the Worker for reads that may have to wait for the disk
//! - [`history`]: past changes, read back from rows; [`changes`]: those of a range, found by the index
//! - [`effects`]: what each revision changed, for watches and whoever comes later; [`error`]: etcd's refusals

pub(crate) mod changes;
mod chunked_queue;
pub(crate) mod cold_reader;
pub(crate) mod collect;
pub mod command;
pub mod effects;
pub mod error;
mod guide;
pub(crate) mod hash;
pub(crate) mod history;
pub(crate) mod janitor;
mod keeper;
pub(crate) mod key_entry;
pub(crate) mod key_value;
pub mod machine;
mod needed_rows;
pub(crate) mod range;
mod rebuild;
mod residents;
mod row_source;
pub(crate) mod rows;
pub(crate) mod store;
mod tree;
pub(crate) mod txn;
pub(crate) mod validate;

pub use command::Command;
pub use effects::{Effect, Effects};
pub use error::EtcdError;
pub use keeper::Keeper;
pub use machine::{Answer, Machine, Outcome};
pub use rebuild::Rebuild;
pub(crate) use row_source::Fetched;
pub use store::{Lease, SharedStore};

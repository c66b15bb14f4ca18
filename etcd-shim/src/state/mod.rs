//! The etcd state machine: multi-version key space, leases, alarms, members. A function of the log.
//!
//! - [`command`]: the commands that travel in the log; [`machine`]: applies them, with the help of a [`writer`];
//!   [`txn`], [`read_txn`]: transactions
//! - [`store`]: one key space in memory; [`tree`], [`key_entry`], [`key_value`]: its index; [`rows`]: its rows;
//!   [`residents`]: which values memory holds; [`chunked_queue`]: what compaction will free, in order
//! - [`range`]: reads, in apply and beside it; [`collect`]: their walk over the index, in steps; [`hash`]: HashKV;
//!   [`janitor`]: drops the rows that compaction freed
//! - [`row_source`], [`fetched_rows`], [`needed_rows`]: values that only the disk has, read before the lock is taken
//! - [`keeper`]: the node whose clock decides when leases end; [`store_reads`]: the Worker for reads that may have to
//!   wait for the disk
//! - [`history`]: past changes, read from the rows; [`changes`]: the changes of a range of keys, found by the index
//! - [`effects`]: what each revision changed, for the watches; [`error`]: etcd's refusals

mod answer;
pub(crate) mod changes;
mod chunked_queue;
pub(crate) mod collect;
pub mod command;
pub mod effects;
pub mod error;
mod fetched_rows;
mod guide;
pub(crate) mod hash;
pub(crate) mod history;
pub(crate) mod janitor;
mod keeper;
pub(crate) mod key_entry;
pub(crate) mod key_value;
mod keys;
pub mod machine;
mod needed_rows;
pub(crate) mod range;
mod range_request;
pub(crate) mod read_txn;
mod rebuild;
mod residents;
pub(crate) mod revision_key;
mod row_source;
pub(crate) mod rows;
pub(crate) mod store;
pub(crate) mod store_reads;
mod tree;
pub(crate) mod txn;
pub(crate) mod validate;
mod writer;

pub use answer::{Answer, Outcome};
pub use command::Command;
pub use effects::{Effect, Effects};
pub use error::EtcdError;
pub(crate) use fetched_rows::Fetched;
pub use keeper::Keeper;
pub use machine::Machine;
pub use rebuild::Rebuild;
pub use store::{Lease, SharedStore};

//! Naxos inside a program: a durable store of keys and values with transactions and watches, on one node or replicated.
//!
//! - [`Naxos`]: the store; [`Opening`]: how it is opened
//! - [`Keys`]: one key or a range of keys; [`Pair`]: a key with its value; [`Read`]: how fresh a read is
//! - [`Transaction`], [`Condition`]: changes that are made together or not at all
//! - [`Watch`], [`Change`]: what happens to keys, from any revision that is not compacted
//! - [`Error`]: says of each call whether it was not done, or whether that is unknown
//! - `life`: runs the node; `memory_disk`: the disk of [`Naxos::memory`]

mod change;
mod condition;
mod error;
mod keys;
mod life;
mod memory_disk;
mod naxos;
mod opening;
mod pair;
mod read;
mod transaction;
mod watch;

pub use change::Change;
pub use condition::Condition;
pub use error::Error;
pub use keys::Keys;
pub use naxos::Naxos;
pub use opening::Opening;
pub use pair::Pair;
pub use read::Read;
pub use transaction::{Answer, Outcome, Transaction};
pub use watch::Watch;

//! Naxos inside a program: a durable store of keys and values with transactions and watches, on one node or replicated.
//!
//! - [`Naxos`]: the store; [`Opening`]: how it is opened; `other_way`: what to use instead of a flag; `own_commands`: the
//!   calls for the program's own state machine
//! - [`Pair`]: a key with its value; [`Read`]: how fresh a read of keys is; [`Freshness`]: how fresh a query is
//! - [`Transaction`], [`Condition`]: changes that are made together or not at all
//! - [`Watch`], [`Change`]: what happens to keys, from any revision that is not compacted
//! - [`Error`]: says whether a call that failed was certainly not done, or may have been done
//! - `node_log`: the log below the store, for the program; `node_objects`: the replicated objects; `life`: runs the node; `memory_disk`: the disk of [`Naxos::memory`]

mod change;
mod condition;
mod error;
mod freshness;
mod life;
mod memory_disk;
mod naxos;
mod node_log;
mod node_objects;
mod opening;
mod other_way;
mod own_commands;
mod pair;
mod read;
mod transaction;
mod watch;

pub use change::Change;
pub use condition::Condition;
pub use error::Error;
pub use freshness::Freshness;
pub use naxos::Naxos;
pub use opening::Opening;
pub use pair::Pair;
pub use read::Read;
pub use transaction::{Answer, Outcome, Transaction};
pub use watch::Watch;

//! How the seats of a new cluster (etcd's `--initial-cluster`) agree on their log: single-decree Paxos (`docs/protocol.md`,
//! cluster 12; the model is `jepsen/src/model/founding.rs`).
//!
//! - [`FoundingSeat`]: one seat. It answers the others ([`Founding`](naxos_proto::contracts::Founding)), and
//!   [`FoundingSeat::found`] makes it a candidate; [`FoundingConfig`]: its settings; [`Found`], [`FoundingError`]: how
//!   it ends
//! - `record`: what a seat remembers, and its bytes; `record_file`: the file `founding`
//! - `acceptor`: what a seat answers, without I/O; `attempt`: what a candidate knows of one ballot, without I/O
//! - [`found_alone`]: a log that one seat begins by itself, after a recovery; [`read_founding`]: the decision in a directory
//! - `keeper`: the Worker that makes a seat's answers durable; `candidate`: the rounds of a candidate
//!
//! What happens to a data directory:
//!
//! 1. [`FoundingSeat::open`] draws the storage id and writes it to `founding`. From then on the directory is a seat.
//! 2. Every promise, accepted value and decision is in `founding` before it is answered.
//! 3. [`FoundJournal::read`](crate::FoundJournal::read) writes `format` after the decision, with the storage id of
//!    `founding` and the log that was decided. Without a decision it refuses.
//! 4. `founding` stays as the record of the founders, and does not change any more.
//!
//! A data directory that was formatted by itself, without a founding, has no file `founding`.

mod acceptor;
mod alone;
mod attempt;
mod candidate;
mod config;
mod found;
mod keeper;
mod record;
mod record_file;
mod seat;

pub use alone::{found_alone, found_decided, read_founding};
pub use config::FoundingConfig;
pub use found::{Found, FoundingError};
pub(crate) use record_file::founded_names;
pub use seat::FoundingSeat;

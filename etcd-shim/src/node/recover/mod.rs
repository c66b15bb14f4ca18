//! Going on after the quorum was lost: `naxos ctl recover` and `--force-new-cluster` (`docs/protocol.md`, "A lost quorum").
//!
//! The files of the survivors are read and never changed. The state that they hold together is brought up to date in a
//! new data directory, which founds a new log where the old one ends: it has a new log id and a new storage id, so
//! nothing of the old cluster ever speaks to it.
//!
//! - [`Survivor`]: what one directory holds; [`Plan`]: what all of them hold together, what may be missing, and what
//!   will be done
//! - [`coverage`]: the pure rules: how far the positions reach, which directory is taken, whether anything may be missing
//! - [`FoundLog`](found_log::FoundLog): the old log, as far as the survivors have it; [`roles`]: the units of a segment
//! - [`rebuild`]: makes the new directory, in the folder `recovery` of its place; [`swap`]: moves it to its place
//! - [`recovered_file`]: the file `recovered`, which is in each directory that a recovery or a restore has made
//! - [`force_new_cluster`]: does the same at the start of a member, within its own directory

mod coverage;
mod describe;
mod error;
mod force;
mod found_log;
mod plan;
mod rebuild;
mod recovered_file;
mod roles;
mod sub_disk;
mod survivor;
mod swap;

pub(in crate::node) use describe::time;
pub(crate) use error::RecoverError;
pub(in crate::node) use force::force_new_cluster;
pub(crate) use plan::{Plan, Wishes};
pub(crate) use rebuild::rebuild;
pub(in crate::node) use recovered_file::{FILE as RECOVERED_FILE, Recovered, begin_of_log, write as write_recovered};
pub(in crate::node) use sub_disk::SubDisk;
pub(crate) use survivor::Survivor;
pub(crate) use swap::{check_target, finish_swap};
pub(in crate::node) use swap::{clear, swap};

/// How far the revision is raised unless the operator says otherwise. A cluster that makes 10,000 changes a second
/// needs more than a day for this number of changes.
pub(crate) const REVISIONS: u64 = 1_000_000_000;
/// The highest number that an operator may ask for. Far more would use up the numbers of revisions.
pub(crate) const REVISIONS_MAX: u64 = 1_000_000_000_000_000;

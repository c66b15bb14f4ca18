//! The pure rules of a storage unit: no async, no clock, no disk. The committer and recovery drive them.
//!
//! - [`Loglet`]: one loglet's tail, seal, trim point and written offsets; the verdict on a store at an offset
//! - [`Catalog`]: all loglets, tombstones and floors, the boot count and the MetaStore's raft log
//! - [`Change`]: what a metadata record says; [`Catalog::apply`] is the only way by which metadata changes
//!
//! Invariants: a written offset is never written again, unless its record is damaged and a repair brings the cell back; a
//! sealed loglet gains cells only from a repair; a dropped id stays dropped; `trim point <= tail`.

mod catalog;
mod change;
mod loglet;
mod offset_set;
mod raft_log;

pub(crate) use catalog::Catalog;
pub(crate) use change::{Change, RaftChange};
pub(crate) use loglet::{Loglet, Verdict};
pub(crate) use offset_set::OffsetSet;
pub(crate) use raft_log::RaftLog;

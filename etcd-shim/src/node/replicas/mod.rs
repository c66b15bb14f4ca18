//! Replicas compare their states (safety rule 9). One that differs from the others fences itself.
//!
//! - [`verdict`]: pure: what follows from the checksums of this replica and of the others
//! - [`search`]: finds the first revision that differs
//! - [`ChecksumDesk`]: where this replica and the others ask for this replica's checksums
//! - [`Comparison`]: the work that is done all the time: ask the others, judge, and then what a fenced member does

mod comparison;
mod desk;
mod search;
mod verdict;

pub(super) use comparison::Comparison;
pub(super) use desk::ChecksumDesk;

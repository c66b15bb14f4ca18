//! [`StreamTails`]: where the newest entries of streams are.

use super::BackPointers;
use crate::ids::Lsn;

/// A sequencer is asked for at most this many streams in one call.
pub const STREAMS_ASKED_MAX: usize = 1_024;

/// Where the newest entries of some streams are, as a sequencer knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamTails {
    /// The answer holds for all positions below this one. They were given out, but the entries there may not be durable
    /// yet.
    pub below: Lsn,
    /// One for each stream that was asked for, in that order.
    pub tails: Vec<BackPointers>,
}

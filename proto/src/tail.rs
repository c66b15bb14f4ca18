//! What a tail check answers.

use crate::ids::Offset;

/// The tail of a loglet: the first unwritten offset, and whether the loglet is sealed there.
///
/// Safety rule 1: the seal half was looked at *after* the tail half (Delos, erratum of 2025).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Appends go on.
    Open(Offset),
    /// No append is acknowledged any more. Where the segment ends is said by the chain, not by this offset.
    Sealed(Offset),
}

impl Tail {
    /// The first unwritten offset.
    pub fn offset(self) -> Offset {
        match self {
            Tail::Open(o) | Tail::Sealed(o) => o,
        }
    }

    /// Whether the loglet is sealed.
    pub fn is_sealed(self) -> bool {
        matches!(self, Tail::Sealed(_))
    }
}

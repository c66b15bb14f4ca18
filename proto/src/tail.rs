//! The result of a tail check.

use crate::ids::Offset;

/// The tail of a loglet: the first unwritten offset, and whether the loglet is sealed.
///
/// Safety rule 1: the seal was checked *after* the offset was read (Delos, erratum of 2025).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// The loglet takes appends.
    Open(Offset),
    /// No append is acknowledged any more. Only the chain says where the segment ends; the end need not be this offset.
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

//! [`Version`]: the place of a command in the log.

use std::fmt;

use bytes::{BufMut, BytesMut};
use naxos_proto::codec::{DecodeError, Reader};
use naxos_proto::ids::Lsn;

/// The place of a command in the log. One entry holds many commands, so a position alone does not order them. The
/// version of an object, or of one of its keys, is the place of the command that changed it last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The position of the command's entry.
    pub at: Lsn,
    /// Which command of the entry it is. The first one has 0.
    pub index: u32,
}

impl Version {
    /// The version of what was never written. Position 0 holds the genesis, so no command has this place.
    pub const ZERO: Self = Self { at: Lsn::ZERO, index: 0 };

    /// The last place that a command of the entry at `at` can have.
    pub fn end_of(at: Lsn) -> Self {
        Self { at, index: u32::MAX }
    }

    /// The last place below position `next`, or [`Self::ZERO`] if `next` is 0. It names the state of a store whose next
    /// position to apply is `next`.
    pub fn last_below(next: Lsn) -> Self {
        next.0.checked_sub(1).map_or(Self::ZERO, |at| Self::end_of(Lsn(at)))
    }

    /// The place after this one.
    #[must_use]
    pub fn next(self) -> Self {
        match self.index.checked_add(1) {
            Some(index) => Self { at: self.at, index },
            None => Self { at: self.at.next(), index: 0 },
        }
    }

    /// The bytes of the version in the name of a row. They sort as the versions do.
    pub(super) fn sorted(self) -> [u8; 12] {
        let mut out = [0; 12];
        out[..8].copy_from_slice(&self.at.0.to_be_bytes());
        out[8..].copy_from_slice(&self.index.to_be_bytes());
        out
    }

    /// The version in the last 12 bytes of a row's name. `None` if the name is shorter.
    pub(super) fn from_sorted(name: &[u8]) -> Option<Self> {
        let (rest, index) = name.split_last_chunk::<4>()?;
        let (_, at) = rest.split_last_chunk::<8>()?;
        Some(Self { at: Lsn(u64::from_be_bytes(*at)), index: u32::from_be_bytes(*index) })
    }

    pub(super) fn put(self, out: &mut BytesMut) {
        out.put_u64_le(self.at.0);
        out.put_u32_le(self.index);
    }

    pub(super) fn read(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { at: Lsn(r.u64()?), index: r.u32()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at, self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rows_sort_as_versions_do() {
        let of = |at, index| Version { at: Lsn(at), index };
        let versions = [Version::ZERO, of(1, 0), of(1, 256), Version::end_of(Lsn(1)), of(2, 0), of(256, 1)];
        for pair in versions.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].sorted() < pair[1].sorted(), "{pair:?}");
            assert_eq!(Version::from_sorted(&pair[1].sorted()), Some(pair[1]));
        }
        assert_eq!(Version::end_of(Lsn(1)).next(), of(2, 0));
        assert_eq!(Version::last_below(Lsn(2)), Version::end_of(Lsn(1)));
        assert_eq!(Version::last_below(Lsn::ZERO), Version::ZERO);
    }
}

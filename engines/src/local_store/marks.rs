//! [`Marks`]: the running checksum at fixed positions of the log, so that replicas can compare theirs.
//!
//! A replica compares with others that are a little ahead or behind, and those may have forgotten positions that it
//! still knows. So the newest marks are dense and the older ones sparse. Both kinds are bounded.

use std::collections::VecDeque;

use naxos_proto::contracts::ChecksumMark;
use naxos_proto::ids::Lsn;

/// A mark is made at each position that is a multiple of this number. The number is small, so that a cluster in which
/// little is written compares soon.
pub const MARK_EVERY: u64 = 64;
/// Of the older marks, those at multiples of this number are kept.
pub const SPARSE_EVERY: u64 = 64 * MARK_EVERY;
/// At most this many marks of each of the two kinds are kept.
pub const MARKS_MAX: usize = 32;

/// The newest marks, oldest first; see the module.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    dense: VecDeque<ChecksumMark>,
    sparse: VecDeque<ChecksumMark>,
}

fn keep(kept: &mut VecDeque<ChecksumMark>, mark: ChecksumMark) {
    if kept.len() == MARKS_MAX {
        kept.pop_front();
    }
    kept.push_back(mark);
}

impl Marks {
    /// Whether there is a position for a mark among those after `before` up to `next`.
    pub(crate) fn is_due(before: Lsn, next: Lsn) -> bool {
        before.0 / MARK_EVERY != next.0 / MARK_EVERY
    }

    /// Notes that the cursor has moved to `next`, with the checksum of everything before that. The position of the mark
    /// is the last multiple at or before `next`. A cursor that jumps over this position jumps over junk, which changes no
    /// row. So the checksum at the position of the mark is the same.
    pub(crate) fn note(&mut self, next: Lsn, checksum: u64) {
        let mark = ChecksumMark { at: Lsn(next.0 / MARK_EVERY * MARK_EVERY), checksum };
        keep(&mut self.dense, mark);
        if mark.at.0.is_multiple_of(SPARSE_EVERY) {
            keep(&mut self.sparse, mark);
        }
    }

    /// All marks in the order of their positions.
    pub(crate) fn all(&self) -> Vec<ChecksumMark> {
        let first = self.dense.front().map_or(Lsn(u64::MAX), |mark| mark.at);
        self.sparse.iter().filter(|mark| mark.at < first).chain(&self.dense).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The marks of a replica whose cursor moves by one from `from` to `to`.
    fn moved(from: u64, to: u64) -> Marks {
        let mut marks = Marks::default();
        for next in from + 1..=to {
            if Marks::is_due(Lsn(next - 1), Lsn(next)) {
                marks.note(Lsn(next), next * 7);
            }
        }
        marks
    }

    #[test]
    fn marks_are_bounded_and_the_older_ones_are_sparse() {
        let all = moved(0, 100 * SPARSE_EVERY).all();
        assert!(all.len() <= 2 * MARKS_MAX && all.len() >= 2 * MARKS_MAX - 1, "{}", all.len());
        assert!(all.is_sorted_by_key(|mark| mark.at));
        assert_eq!(all.last().map(|mark| mark.at), Some(Lsn(100 * SPARSE_EVERY)));
        assert_eq!(all.first().map(|mark| mark.at), Some(Lsn((100 - MARKS_MAX as u64 + 1) * SPARSE_EVERY)));
        assert!(all.iter().all(|mark| mark.checksum == mark.at.0 * 7), "each has the checksum of its position");
    }

    #[test]
    fn replicas_that_start_at_different_positions_have_marks_at_the_same_ones() {
        let (early, late) = (moved(3, 1_000).all(), moved(700, 1_000).all());
        assert_eq!(late, early[early.len() - late.len()..]);
        assert_eq!(late.first().map(|mark| mark.at), Some(Lsn(704)));
    }

    #[test]
    fn a_jump_over_junk_leaves_a_mark_at_the_fixed_position() {
        let mut marks = Marks::default();
        assert!(Marks::is_due(Lsn(60), Lsn(70)) && !Marks::is_due(Lsn(64), Lsn(70)));
        marks.note(Lsn(70), 5);
        assert_eq!(marks.all(), [ChecksumMark { at: Lsn(64), checksum: 5 }]);
    }
}

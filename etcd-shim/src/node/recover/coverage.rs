//! The rules by which a recovery judges the data of the survivors. They do no I/O.

use std::collections::BTreeSet;
use std::ops::Range;

use naxos_proto::ids::{Lsn, StorageId};

/// A segment of the chain, and the positions of it that the survivors hold: ranges in any order, which may overlap.
#[derive(Clone, Debug)]
pub(super) struct Covered {
    pub(super) end: Option<Lsn>,
    pub(super) held: Vec<Range<Lsn>>,
}

/// The first position at or above `from` that cannot be read. Positions above it may be held, but nothing can be applied
/// beyond a gap.
pub(super) fn reach(from: Lsn, segments: &[Covered]) -> Lsn {
    let mut at = from;
    for segment in segments {
        let mut held = segment.held.clone();
        held.sort_by_key(|range| range.start);
        for range in held {
            if range.start <= at {
                // The chain, and not the unit, says where a segment ends (safety rule 2).
                at = at.max(segment.end.map_or(range.end, |end| range.end.min(end)));
            }
        }
    }
    at
}

/// Whether a position at or above `at` is held and lies below the end of its segment.
pub(super) fn holds_beyond(at: Lsn, segments: &[Covered]) -> bool {
    let counts = |segment: &Covered, range: &Range<Lsn>| {
        segment.end.map_or(range.end, |end| range.end.min(end)) > at && segment.end.is_none_or(|end| range.start < end)
    };
    segments.iter().any(|segment| segment.held.iter().any(|range| counts(segment, range)))
}

/// The values of one survivor by which the survivors are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Term and index of its register's last entry.
    pub(super) last: (u64, u64),
    /// The position up to which its local store has applied the log.
    pub(super) cursor: Lsn,
    /// The position up to which its local store can be brought with what the survivors hold together.
    pub(super) reach: Lsn,
    /// Whether its local store was found to differ from those of the other members.
    pub(super) differs: bool,
}

/// The survivor whose chain is believed: the one whose register has the newest last entry. As in an election of raft: what was
/// committed and is on another survivor is on this one too. A higher version of the chain says less, because its entry may
/// have been replaced.
pub(super) fn newest_chain<'a>(known: impl IntoIterator<Item = &'a Known>) -> Option<usize> {
    first_max(known.into_iter().map(|one| one.last))
}

/// The survivor whose local store is taken: of the stores that can be brought furthest, the one that lacks least. A
/// store that was found to differ is taken only if all others would lack writes, because these writes would be lost for
/// certain.
pub(super) fn chosen(known: &[Known]) -> Option<usize> {
    first_max(known.iter().map(|one| (one.reach, !one.differs, one.cursor, one.last)))
}

fn first_max<T: Ord>(items: impl Iterator<Item = T>) -> Option<usize> {
    items.enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(at, _)| at)
}

/// Whether no acknowledged write can be missing: each majority of the voters contains a survivor, and so does each
/// write quorum of the newest chain's last segment.
pub(super) fn is_complete(
    survivors: &BTreeSet<StorageId>,
    voters: &BTreeSet<StorageId>,
    units: &[StorageId],
    write_quorum: usize,
) -> bool {
    let majority = voters.len() / 2 + 1;
    let voting = voters.intersection(survivors).count();
    let holding = units.iter().filter(|unit| survivors.contains(unit)).count();
    !voters.is_empty() && voting + majority > voters.len() && holding + write_quorum > units.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(end: Option<u64>, held: &[(u64, u64)]) -> Covered {
        let held = held.iter().map(|(from, to)| Lsn(*from)..Lsn(*to)).collect();
        Covered { end: end.map(Lsn), held }
    }

    #[test]
    fn the_log_reaches_as_far_as_all_survivors_together_have_it_without_a_gap() {
        let sealed = covered(Some(100), &[(40, 100), (30, 70)]);
        let at = |from: u64, segments: &[Covered]| reach(Lsn(from), segments).0;
        assert_eq!(at(30, std::slice::from_ref(&sealed)), 100);
        assert_eq!(at(20, std::slice::from_ref(&sealed)), 20, "the log was trimmed behind this store");
        let open = covered(None, &[(100, 120), (121, 130)]);
        assert_eq!(at(50, &[sealed.clone(), open.clone()]), 120);
        assert!(holds_beyond(Lsn(120), &[sealed.clone(), open.clone()]), "position 120 is a gap");
        let other = covered(None, &[(100, 120), (121, 130), (115, 123)]);
        assert_eq!(at(50, &[sealed.clone(), other.clone()]), 130, "another survivor has what this one skipped");
        assert!(!holds_beyond(Lsn(130), &[sealed, other]));
        assert_eq!(at(127, std::slice::from_ref(&open)), 130, "the local store knows what lies in the gap");
        assert_eq!(at(200, &[open]), 200, "the local store is ahead of the units");
    }

    #[test]
    fn rule_2_cells_beyond_the_end_of_a_segment_do_not_count() {
        let segments = [covered(Some(10), &[(0, 14)]), covered(None, &[])];
        assert_eq!(reach(Lsn(0), &segments), Lsn(10));
        assert!(!holds_beyond(Lsn(10), &segments));
        let segments = [covered(Some(10), &[(0, 8)]), covered(None, &[(10, 20)])];
        assert_eq!(reach(Lsn(0), &segments), Lsn(8), "a gap at the end of a sealed segment is a gap");
        assert!(holds_beyond(Lsn(8), &segments));
    }

    #[test]
    fn the_store_that_can_be_brought_furthest_is_taken_and_the_newest_chain_is_believed() {
        let known = |last, cursor, reach| Known { last, cursor: Lsn(cursor), reach: Lsn(reach), differs: false };
        let (old, new) = (known((1, 9), 60, 150), known((1, 12), 80, 120));
        assert_eq!(newest_chain(&[old, new]), Some(1));
        assert_eq!(chosen(&[old, new]), Some(0), "each position that is kept may hold an acknowledged write");
        assert_eq!(newest_chain(&[new, known((2, 10), 0, 0)]), Some(1), "the entries of term 1 were replaced");
        assert_eq!(chosen(&[known((1, 12), 10, 50), known((1, 9), 40, 50)]), Some(1), "less is left to apply");
        assert_eq!(chosen(&[old, old]), Some(0));
        let wrong = Known { differs: true, ..known((1, 12), 80, 150) };
        assert_eq!(chosen(&[wrong, old]), Some(1), "the other one can be brought as far");
        assert_eq!(chosen(&[wrong, new]), Some(0), "the other one lacks acknowledged writes");
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn a_recovery_is_complete_only_if_every_quorum_has_a_survivor() {
        let ids = |ids: &[u64]| ids.iter().copied().map(StorageId).collect::<BTreeSet<_>>();
        let units = |count: u64| (1..=count).map(StorageId).collect::<Vec<_>>();
        assert!(!is_complete(&ids(&[1]), &ids(&[1, 2, 3]), &units(3), 2), "two of three are lost");
        assert!(is_complete(&ids(&[1, 2]), &ids(&[1, 2, 3]), &units(3), 2));
        assert!(is_complete(&ids(&[1, 2]), &ids(&[1, 2, 3, 4]), &units(4), 3), "three of four acknowledge");
        assert!(!is_complete(&ids(&[1, 2]), &ids(&[1, 2, 3, 4, 5]), &units(5), 3));
        assert!(!is_complete(&ids(&[1, 2]), &ids(&[1, 2, 3]), &units(5), 3), "the units are lost");
        assert!(
            !is_complete(&ids(&[1, 2]), &ids(&[3, 4, 5]), &units(2), 2),
            "the register is lost: a chain may be newer"
        );
        assert!(!is_complete(&ids(&[1]), &ids(&[]), &units(1), 1), "nothing is known of the voters");
    }
}

//! [`judge`]: which replicas differ, according to their checksums at equal positions. Nothing here reads a clock or calls
//! another node.
//!
//! Of the checksums at a position, the one that a majority of the members has is right. Members that do not answer
//! count as members, so that two that differ accuse nobody while a third one is away. Of two members neither can be right
//! against the other. Two replicas whose checksums differ at one position differ at all later positions, too. So any
//! position may be looked at.

use std::collections::BTreeMap;

use naxos_proto::contracts::ChecksumMark;
use naxos_proto::ids::{Lsn, StorageId};

/// What follows from the checksums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No difference was seen.
    Equal,
    /// This replica differs from a majority. The position is the first one at which it differs from a member of that
    /// majority.
    Differs(Lsn),
    /// These replicas differ from a majority to which this one belongs.
    OthersDiffer(Vec<StorageId>),
    /// Replicas differ at this position, but no majority agrees.
    Unsure(Lsn),
}

/// Judges by the marks of this replica and of the others that answered. The cluster has `members` members with a data
/// directory, this one included.
pub(super) fn judge(own: &[ChecksumMark], others: &BTreeMap<StorageId, Vec<ChecksumMark>>, members: usize) -> Verdict {
    let at = |marks: &[ChecksumMark], at: Lsn| {
        marks.binary_search_by_key(&at, |mark| mark.at).ok().map(|found| marks[found].checksum)
    };
    let is_majority = |count: usize| count > members / 2;
    let (mut differing, mut unsure) = (None, None);
    for mark in own {
        let mut groups: BTreeMap<u64, Vec<StorageId>> = BTreeMap::new();
        for (storage, marks) in others {
            if let Some(checksum) = at(marks, mark.at) {
                groups.entry(checksum).or_default().push(*storage);
            }
        }
        let agree = 1 + groups.remove(&mark.checksum).map_or(0, |same| same.len());
        if groups.is_empty() {
            continue;
        }
        if let Some(right) = groups.values().find(|group| is_majority(group.len())) {
            let differs_from =
                |mark: &ChecksumMark, storage| at(&others[storage], mark.at).is_some_and(|sum| sum != mark.checksum);
            let first = own.iter().find(|mark| right.iter().any(|storage| differs_from(mark, storage)));
            return Verdict::Differs(first.unwrap_or(mark).at);
        }
        if is_majority(agree) {
            differing.get_or_insert_with(|| groups.into_values().flatten().collect::<Vec<_>>());
        } else {
            unsure.get_or_insert(mark.at);
        }
    }
    match (differing, unsure) {
        (Some(who), _) => Verdict::OthersDiffer(who),
        (None, Some(at)) => Verdict::Unsure(at),
        (None, None) => Verdict::Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One mark for each checksum, at consecutive multiples of 64. The first one is at `first` times 64.
    fn marks(first: u64, checksums: &[u64]) -> Vec<ChecksumMark> {
        let mark = |(n, checksum): (u64, &u64)| ChecksumMark { at: Lsn((first + n) * 64), checksum: *checksum };
        (0..).zip(checksums).map(mark).collect()
    }

    /// Storage 2 and the following ones have these marks.
    fn others<const N: usize>(all: [Vec<ChecksumMark>; N]) -> BTreeMap<StorageId, Vec<ChecksumMark>> {
        (2..).map(StorageId).zip(all).collect()
    }

    #[test]
    fn replicas_with_equal_checksums_are_equal_wherever_their_marks_begin() {
        let own = marks(1, &[1, 2, 3]);
        assert_eq!(judge(&own, &others([marks(2, &[2, 3, 4]), marks(0, &[9, 1])]), 3), Verdict::Equal);
        assert_eq!(judge(&own, &others([marks(5, &[7]), vec![]]), 3), Verdict::Equal, "no position in common");
        assert_eq!(judge(&[], &others([own.clone(), own.clone()]), 3), Verdict::Equal, "nothing is known yet");
        assert_eq!(judge(&own, &BTreeMap::new(), 1), Verdict::Equal, "a member that is alone");
    }

    #[test]
    fn the_one_that_differs_from_a_majority_says_so_itself() {
        let (right, wrong) = (marks(1, &[1, 2, 3]), marks(1, &[1, 8, 9]));
        assert_eq!(judge(&wrong, &others([right.clone(), right.clone()]), 3), Verdict::Differs(Lsn(128)));
        let seen = judge(&right, &others([right.clone(), wrong.clone()]), 3);
        assert_eq!(seen, Verdict::OthersDiffer(vec![StorageId(3)]));
        let five = others([right.clone(), wrong.clone(), right.clone(), right.clone()]);
        assert_eq!(judge(&wrong, &five, 5), Verdict::Differs(Lsn(128)), "two of five are wrong alike");
    }

    #[test]
    fn without_a_majority_nobody_is_accused() {
        let (one, two, three) = (marks(1, &[1, 2]), marks(1, &[1, 3]), marks(1, &[1, 4]));
        assert_eq!(judge(&one, &others([two.clone()]), 2), Verdict::Unsure(Lsn(128)), "two members");
        assert_eq!(judge(&one, &others([two.clone()]), 3), Verdict::Unsure(Lsn(128)), "the third one is away");
        assert_eq!(judge(&one, &others([two.clone(), three]), 3), Verdict::Unsure(Lsn(128)), "each has its own");
        let four = others([one.clone(), two.clone(), two.clone()]);
        assert_eq!(judge(&one, &four, 4), Verdict::Unsure(Lsn(128)), "two against two");
    }

    #[test]
    fn a_later_position_decides_if_a_majority_has_only_that_one() {
        let own = marks(1, &[1, 2, 3, 4]);
        let (long, short) = (marks(1, &[1, 7, 8, 9]), marks(4, &[9]));
        assert_eq!(judge(&own, &others([long.clone(), short]), 3), Verdict::Differs(Lsn(128)));
        let seen = judge(&own, &others([long, marks(4, &[4])]), 3);
        assert_eq!(seen, Verdict::OthersDiffer(vec![StorageId(2)]));
    }
}

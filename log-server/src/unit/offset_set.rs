//! [`OffsetSet`]: which offsets are written, as half-open ranges.

use naxos_proto::ids::Offset;
use rangemap::RangeSet;

/// A set of offsets. A contiguous loglet without gaps takes a single range, whatever its length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OffsetSet(RangeSet<u64>);

impl OffsetSet {
    /// Adds one offset. Returns false if it was in the set already.
    pub(crate) fn insert(&mut self, at: Offset) -> bool {
        let is_new = !self.contains(at);
        if is_new {
            self.0.insert(at.0..at.next().0);
        }
        is_new
    }

    /// Whether `at` is in the set.
    pub(crate) fn contains(&self, at: Offset) -> bool {
        self.0.contains(&at.0)
    }

    /// Removes all offsets below `up_to`.
    pub(crate) fn remove_below(&mut self, up_to: Offset) {
        if up_to > Offset(0) {
            self.0.remove(0..up_to.0);
        }
    }

    /// The ranges, ascending.
    #[cfg(test)]
    fn ranges(&self) -> impl Iterator<Item = std::ops::Range<Offset>> {
        self.0.iter().map(|range| Offset(range.start)..Offset(range.end))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_contiguous_loglet_is_one_range() {
        let mut set = OffsetSet::default();
        for n in 0..1_000 {
            assert!(set.insert(Offset(n)));
        }
        assert!(!set.insert(Offset(500)));
        assert_eq!(set.ranges().collect::<Vec<_>>(), [Offset(0)..Offset(1_000)]);
        set.remove_below(Offset(10));
        assert_eq!(set.ranges().collect::<Vec<_>>(), [Offset(10)..Offset(1_000)]);
    }

    proptest! {
        #[test]
        fn it_answers_as_a_plain_set_does(steps in prop::collection::vec((0_u64..40, 0_u8..8), 0..80)) {
            let mut set = OffsetSet::default();
            let mut plain = BTreeSet::new();
            for (at, what) in steps {
                if what == 0 {
                    set.remove_below(Offset(at));
                    plain.retain(|n| *n >= at);
                } else {
                    prop_assert_eq!(set.insert(Offset(at)), plain.insert(at));
                }
                for n in 0..41 {
                    prop_assert_eq!(set.contains(Offset(n)), plain.contains(&n));
                }
                let ranges: Vec<_> = set.ranges().collect();
                prop_assert!(ranges.iter().all(|r| r.start < r.end));
                prop_assert!(ranges.windows(2).all(|w| w[0].end < w[1].start));
            }
        }
    }
}

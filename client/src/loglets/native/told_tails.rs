//! [`ToldTails`]: finds out which cells are on a write quorum, from the tails that the units tell. Nothing here takes a
//! lock, reads a clock or calls another node.

use naxos_proto::contracts::LocalTail;
use naxos_proto::ids::Offset;

/// The highest tails that the units of one loglet told while they were not sealed.
///
/// 1. A tail promises that each cell below it is held by its unit, is trimmed, or is on a write quorum. So everything
///    below the lowest of the tails of a write quorum of units is on a write quorum.
/// 2. A unit reads its seal bit after its tail. So a tail without the seal bit was reached before the seal, and every
///    seal quorum shares a unit with the write quorum that told such tails: the segment ends above the cells.
/// 3. A tail with the seal bit proves nothing, because a repair may have raised it (`docs/protocol.md`, cluster 1
///    and 3). The known tail that comes with it proves nothing either.
pub(super) struct ToldTails {
    write_quorum: usize,
    tails: Vec<Offset>,
    known_tail: Offset,
}

impl ToldTails {
    /// No unit has told anything yet.
    pub(super) fn new(units: usize, write_quorum: usize) -> Self {
        Self { write_quorum, tails: vec![Offset::ZERO; units], known_tail: Offset::ZERO }
    }

    /// Everything below this is on a write quorum.
    pub(super) fn known_tail(&self) -> Offset {
        self.known_tail
    }

    /// Takes the tail that the unit with index `unit` told.
    pub(super) fn told(&mut self, unit: usize, told: LocalTail) {
        if told.sealed {
            return;
        }
        self.tails[unit] = self.tails[unit].max(told.tail);
        let mut highest_first = self.tails.clone();
        highest_first.sort_unstable_by(|a, b| b.cmp(a));
        self.raise(highest_first[self.write_quorum - 1].max(told.known_tail));
    }

    /// Takes the news that everything below `known_tail` is on a write quorum.
    pub(super) fn raise(&mut self, known_tail: Offset) {
        self.known_tail = self.known_tail.max(known_tail);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(tail: u64) -> LocalTail {
        LocalTail { tail: Offset(tail), known_tail: Offset::ZERO, sealed: false, trim_point: Offset::ZERO }
    }

    #[test]
    fn rule_3_a_write_quorum_of_tails_acknowledges_what_is_below_the_lowest_of_them() {
        let mut told = ToldTails::new(3, 2);
        told.told(0, at(9));
        assert_eq!(told.known_tail(), Offset(0), "one unit is no quorum");
        told.told(1, at(4));
        assert_eq!(told.known_tail(), Offset(4));
        told.told(2, at(7));
        assert_eq!(told.known_tail(), Offset(7));
        told.told(1, at(5));
        told.told(2, at(6));
        assert_eq!(told.known_tail(), Offset(7), "a late message takes nothing back");
    }

    #[test]
    fn rule_1_a_tail_with_the_seal_bit_proves_nothing() {
        let mut told = ToldTails::new(3, 2);
        told.told(0, at(9));
        let sealed = LocalTail { sealed: true, known_tail: Offset(9), ..at(9) };
        told.told(1, sealed);
        assert_eq!(told.known_tail(), Offset(0), "a repair may have brought the cells");
        told.told(1, at(8));
        assert_eq!(told.known_tail(), Offset(8), "this was told before the seal and came late");
    }

    #[test]
    fn the_known_tail_of_a_unit_is_taken_over() {
        let mut told = ToldTails::new(3, 2);
        told.told(0, LocalTail { known_tail: Offset(6), ..at(9) });
        assert_eq!(told.known_tail(), Offset(6));
    }

    proptest! {
        /// The known tail never passes what a write quorum of units has told, and is not below it either.
        #[test]
        fn rule_3_the_known_tail_is_exactly_what_a_write_quorum_told(
            units in 1_usize..6,
            news in prop::collection::vec((0_usize..6, 0_u64..20, any::<bool>()), 0..40),
        ) {
            let write_quorum = units / 2 + 1;
            let mut told = ToldTails::new(units, write_quorum);
            let mut highest = vec![0; units];
            for (unit, tail, sealed) in news {
                let unit = unit % units;
                told.told(unit, LocalTail { sealed, ..at(tail) });
                if !sealed {
                    highest[unit] = highest[unit].max(tail);
                }
                let known = told.known_tail().0;
                prop_assert!(highest.iter().filter(|tail| **tail >= known).count() >= write_quorum);
                prop_assert!(highest.iter().filter(|tail| **tail > known).count() < write_quorum);
            }
        }
    }
}

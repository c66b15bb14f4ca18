//! [`Quorums`]: how many storage units have to answer before anything may be concluded.

/// The quorums of one native loglet.
///
/// A loglet has `units` storage units, and an acknowledged append is durable on `write` of them. Everything else is
/// derived from these two numbers, so that two quorums that have to share a unit always do (safety rule 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quorums {
    units: usize,
    write: usize,
}

impl Quorums {
    /// The quorums of a loglet with `units` units, whose appends must be on `write` of them.
    pub(super) fn new(units: usize, write: usize) -> Self {
        Self { units, write }
    }

    /// The number of units that must hold an entry before it is acknowledged.
    pub(super) fn write(self) -> usize {
        self.write
    }

    /// The number of units that must be sealed before the loglet is sealed. Every write quorum shares a unit with
    /// them. So no append is acknowledged after the seal, and every acknowledged entry is on one of the sealed units.
    pub(super) fn seal(self) -> usize {
        self.units - self.write + 1
    }

    /// The number of units that must answer a tail check. They must share a unit with every write quorum, so that the
    /// check sees every acknowledged entry. They must also share one with every seal quorum, so that the check cannot
    /// call a loglet open that was sealed before the check began. With an even number of units the size of a seal
    /// quorum is not enough: of 4 units with a write quorum of 3, two could answer a tail check and the other two a
    /// seal.
    pub(super) fn tail(self) -> usize {
        self.write.max(self.seal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All sets of `count` of the `units` units, as bit masks.
    fn sets(units: usize, count: usize) -> impl Iterator<Item = u32> {
        (0..1_u32 << units).filter(move |set| set.count_ones() as usize == count)
    }

    fn always_meet(units: usize, one: usize, other: usize) -> bool {
        sets(units, one).all(|a| sets(units, other).all(|b| a & b != 0))
    }

    #[test]
    fn rule_3_every_tail_quorum_meets_every_write_quorum_and_every_seal_quorum() {
        for units in 1..=7 {
            for write in 1..=units {
                let quorums = Quorums::new(units, write);
                let why = format!("{units} units with a write quorum of {write}: {quorums:?}");
                assert!(quorums.tail() <= units && quorums.seal() <= units, "{why}");
                assert!(always_meet(units, quorums.seal(), quorums.write()), "{why}");
                assert!(always_meet(units, quorums.tail(), quorums.write()), "{why}");
                assert!(always_meet(units, quorums.tail(), quorums.seal()), "{why}");
            }
        }
    }

    #[test]
    fn no_quorum_is_larger_than_it_has_to_be() {
        for (units, write, seal, tail) in [(1, 1, 1, 1), (2, 2, 1, 2), (3, 2, 2, 2), (4, 3, 2, 3), (5, 3, 3, 3)] {
            let quorums = Quorums::new(units, write);
            assert_eq!((quorums.seal(), quorums.tail()), (seal, tail), "{units} units");
        }
    }
}

//! [`Loglet`]: the state of one loglet on one unit, and the rules for a store at an offset.

use naxos_proto::contracts::{LocalTail, Purpose, Shape, UnitError, UnitParams};
use naxos_proto::ids::{Incarnation, LogletId, Offset};

use crate::unit::OffsetSet;

/// What the rules say about a store at one offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is there, so the cell may be written.
    Free,
    /// A cell or junk is there. The outcome is `Same` if it equals the new cell, otherwise `Different`.
    Held,
    /// The offset is below the trim point: the cell was committed and then forgotten.
    Trimmed,
    /// Nothing is there, and the loglet is sealed.
    Sealed,
    /// The cell before this one is neither here nor known to be committed elsewhere.
    Gap,
}

/// The state of one loglet on one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loglet {
    /// The parameters that the loglet was opened with. They never change.
    pub(crate) params: UnitParams,
    /// One past the highest offset that was ever written or trimmed on this unit.
    pub(crate) tail: Offset,
    /// Every cell below this offset is known to be on a write quorum.
    pub(crate) known_tail: Offset,
    /// Whether the loglet takes no more appends. It still takes repairs.
    pub(crate) sealed: bool,
    /// Every cell below this offset is forgotten.
    pub(crate) trim_point: Offset,
    /// The offsets at or above the trim point at which this unit holds a cell or junk.
    pub(crate) written: OffsetSet,
}

impl Loglet {
    /// A new loglet without cells.
    pub(crate) fn new(params: UnitParams) -> Self {
        Self {
            params,
            tail: Offset::ZERO,
            known_tail: Offset::ZERO,
            sealed: false,
            trim_point: Offset::ZERO,
            written: OffsetSet::default(),
        }
    }

    /// The state that a tail check reports.
    pub(crate) fn local(&self) -> LocalTail {
        LocalTail { tail: self.tail, known_tail: self.known_tail, sealed: self.sealed, trim_point: self.trim_point }
    }

    /// Safety rule 4: a loglet belongs to one incarnation for its whole life.
    pub(crate) fn check_incarnation(&self, id: LogletId, asker: Incarnation) -> Result<(), UnitError> {
        let owner = self.params.incarnation;
        if owner == asker { Ok(()) } else { Err(UnitError::WrongIncarnation { loglet: id, owner, asker }) }
    }

    /// What the rules say about an append at `at`. The seal is checked last. A sealed loglet takes no append, but
    /// `Sealed` must mean that the cell is certainly not here, so that the client can append it to the successor.
    pub(crate) fn verdict(&self, at: Offset) -> Verdict {
        match self.repair_verdict(at) {
            Verdict::Free | Verdict::Gap if self.sealed => Verdict::Sealed,
            verdict => verdict,
        }
    }

    /// What the rules say about a repair at `at`. As [`Self::verdict`], but without regard to the seal.
    pub(crate) fn repair_verdict(&self, at: Offset) -> Verdict {
        if at < self.trim_point {
            return Verdict::Trimmed;
        }
        if self.written.contains(at) {
            return Verdict::Held;
        }
        let reach = self.tail.max(self.known_tail);
        match self.params.shape {
            Shape::Contiguous if at > reach => Verdict::Gap,
            _ => Verdict::Free,
        }
    }

    /// What the rules say about a store with this purpose at `at`.
    pub(crate) fn verdict_for(&self, purpose: Purpose, at: Offset) -> Verdict {
        match purpose {
            Purpose::Append { .. } => self.verdict(at),
            Purpose::Repair => self.repair_verdict(at),
        }
    }

    /// Notes a cell or junk at `at`, for which [`Self::verdict`] or [`Self::repair_verdict`] said `Free`.
    pub(crate) fn write(&mut self, at: Offset) {
        if at >= self.trim_point {
            self.written.insert(at);
        }
        self.tail = self.tail.max(at.next());
    }

    /// Raises the known tail. Returns whether it rose.
    pub(crate) fn raise_known_tail(&mut self, known_tail: Offset) -> bool {
        let rises = known_tail > self.known_tail;
        self.known_tail = self.known_tail.max(known_tail);
        rises
    }

    /// Forgets the cells below `up_to`. Only committed cells are trimmed, so both tails rise to at least `up_to`.
    pub(crate) fn trim(&mut self, up_to: Offset) {
        self.trim_point = self.trim_point.max(up_to);
        self.tail = self.tail.max(self.trim_point);
        self.known_tail = self.known_tail.max(self.trim_point);
        self.written.remove_below(self.trim_point);
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::{Boot, StorageId};
    use proptest::prelude::*;

    use super::*;

    const OWNER: Incarnation = Incarnation { storage: StorageId(1), boot: Boot(2) };

    fn loglet(shape: Shape) -> Loglet {
        Loglet::new(UnitParams { shape, incarnation: OWNER })
    }

    fn id() -> LogletId {
        LogletId { ordinal: 1, ..LogletId::default() }
    }

    #[test]
    fn verdicts() {
        let mut l = loglet(Shape::Contiguous);
        for n in 0..4 {
            assert_eq!(l.verdict(Offset(n)), Verdict::Free);
            l.write(Offset(n));
        }
        l.trim(Offset(2));
        // Each pair is an offset and its verdict while the loglet is open.
        let table = [(0, Verdict::Trimmed), (1, Verdict::Trimmed), (2, Verdict::Held), (3, Verdict::Held)];
        let table = table.into_iter().chain([(4, Verdict::Free), (5, Verdict::Gap), (900, Verdict::Gap)]);
        for (at, verdict) in table {
            assert_eq!(l.verdict(Offset(at)), verdict, "at {at}");
            let sealed = Loglet { sealed: true, ..l.clone() };
            let held = matches!(verdict, Verdict::Trimmed | Verdict::Held);
            let expected = if held { verdict } else { Verdict::Sealed };
            assert_eq!(sealed.verdict(Offset(at)), expected, "sealed, at {at}");
        }
    }

    #[test]
    fn a_repair_is_accepted_after_the_seal_but_not_behind_a_gap() {
        let mut l = loglet(Shape::Contiguous);
        l.write(Offset(0));
        l.sealed = true;
        assert_eq!(l.verdict(Offset(1)), Verdict::Sealed);
        assert_eq!(l.repair_verdict(Offset(0)), Verdict::Held);
        assert_eq!(l.repair_verdict(Offset(1)), Verdict::Free);
        assert_eq!(l.repair_verdict(Offset(2)), Verdict::Gap);
    }

    #[test]
    fn a_known_tail_past_the_gap_lets_a_laggard_skip() {
        let mut l = loglet(Shape::Contiguous);
        assert_eq!(l.verdict(Offset(7)), Verdict::Gap);
        assert!(l.raise_known_tail(Offset(7)));
        assert_eq!(l.verdict(Offset(7)), Verdict::Free);
        assert_eq!(l.verdict(Offset(8)), Verdict::Gap);
        l.write(Offset(7));
        assert_eq!(l.tail, Offset(8));
        // The skipped offsets may still be repaired, because their cells are committed elsewhere.
        assert_eq!(l.verdict(Offset(3)), Verdict::Free);
        assert!(!l.raise_known_tail(Offset(5)));
        assert_eq!(l.known_tail, Offset(7));
    }

    #[test]
    fn a_sparse_loglet_takes_any_order() {
        let mut l = loglet(Shape::Sparse);
        assert_eq!(l.verdict(Offset(900)), Verdict::Free);
        l.write(Offset(900));
        assert_eq!(l.verdict(Offset(900)), Verdict::Held);
        assert_eq!(l.verdict(Offset(3)), Verdict::Free);
        assert_eq!(l.tail, Offset(901));
    }

    #[test]
    fn rule_4_another_incarnation_is_refused() {
        let l = loglet(Shape::Contiguous);
        assert_eq!(l.check_incarnation(id(), OWNER), Ok(()));
        let asker = Incarnation { boot: Boot(3), ..OWNER };
        let refused = UnitError::WrongIncarnation { loglet: id(), owner: OWNER, asker };
        assert_eq!(l.check_incarnation(id(), asker), Err(refused));
    }

    #[test]
    fn trimming_past_the_tail_raises_the_tails() {
        let mut l = loglet(Shape::Contiguous);
        l.write(Offset(0));
        l.trim(Offset(9));
        assert_eq!((l.tail, l.known_tail, l.trim_point), (Offset(9), Offset(9), Offset(9)));
        l.trim(Offset(4));
        assert_eq!(l.trim_point, Offset(9));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Store(u64),
        Known(u64),
        Trim(u64),
        Seal,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0_u64..24).prop_map(Step::Store),
            2 => (0_u64..24).prop_map(Step::Known),
            1 => (0_u64..24).prop_map(Step::Trim),
            1 => Just(Step::Seal),
        ]
    }

    proptest! {
        #[test]
        fn invariants_hold_under_any_steps(contiguous: bool, steps in prop::collection::vec(step(), 0..60)) {
            let mut l = loglet(if contiguous { Shape::Contiguous } else { Shape::Sparse });
            let mut ever = std::collections::BTreeSet::new();
            for step in steps {
                let before = l.clone();
                match step {
                    Step::Store(at) => {
                        let verdict = l.verdict(Offset(at));
                        if verdict == Verdict::Free {
                            l.write(Offset(at));
                            prop_assert!(ever.insert(at), "offset {} was written twice", at);
                        }
                        prop_assert!(!(before.sealed && verdict == Verdict::Free));
                        let held = before.written.contains(Offset(at)) || Offset(at) < before.trim_point;
                        prop_assert!(!(held && verdict == Verdict::Sealed), "offset {} is held", at);
                    }
                    Step::Known(to) => drop(l.raise_known_tail(Offset(to))),
                    Step::Trim(to) => l.trim(Offset(to)),
                    Step::Seal => l.sealed = true,
                }
                prop_assert!(l.tail >= before.tail && l.known_tail >= before.known_tail);
                prop_assert!(l.trim_point >= before.trim_point && l.trim_point <= l.tail);
                prop_assert!(l.sealed || !before.sealed);
                if contiguous {
                    for n in l.trim_point.0..l.tail.0 {
                        let n = Offset(n);
                        prop_assert!(l.written.contains(n) || n < l.known_tail, "an unexplained gap at {}", n);
                    }
                }
            }
        }
    }
}

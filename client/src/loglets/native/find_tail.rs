//! A tail check. It asks the units and never relies on the sequencer alone (safety rule 6).

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use naxos_proto::contracts::{LocalTail, TailReaches, UnitError};
use naxos_proto::ids::Offset;
use naxos_proto::tail::Tail;

use super::NativeLoglet;
use super::quorums::Quorums;
use crate::loglet::LogletError;

/// Concludes a tail check from the units' answers. `None` if they are not enough.
///
/// 1. Each unit reads its seal bit after its tail. So an answer without the seal bit shows that the unit was not yet
///    sealed when its tail was read.
/// 2. As many answers as a seal quorum are always needed. They share a unit with every write quorum, so the highest
///    tail is above every append that was acknowledged before the check. If one answer has the seal bit, the loglet is
///    sealed.
/// 3. The tail of an open loglet must be durable on a write quorum before it is returned. Otherwise a later check might
///    return a lower one.
///
/// `target` is the highest tail of the first tail quorum, if there was one already. Later answers may show higher tails,
/// but those are not needed: under load the highest tail would always be one that is not durable yet.
fn conclude(quorums: Quorums, tails: &[LocalTail], target: Option<Offset>) -> Option<Tail> {
    if tails.len() < quorums.seal() {
        return None;
    }
    let highest = tails.iter().map(|t| t.tail).max().expect("a quorum has a unit");
    if tails.iter().any(|t| t.sealed) {
        return Some(Tail::Sealed(highest));
    }
    if tails.len() < quorums.tail() {
        return None;
    }
    let target = target.unwrap_or(highest);
    let durable = tails.iter().filter(|t| t.tail >= target).count() >= quorums.write();
    let known = tails.iter().any(|t| t.known_tail >= target);
    (durable || known).then_some(Tail::Open(target))
}

/// Turns the answer of a unit on which the loglet was never opened into a tail of 0 without the seal bit. That is true: the
/// unit has stored nothing of the loglet, and a seal would have opened the loglet there.
///
/// These answers are needed. A loglet begins when it is open on a write quorum of its units, and the first append opens it
/// on the others. If a unit of that quorum is lost before the first append, too few of the units left would have a tail.
fn counted(answer: Result<LocalTail, UnitError>) -> Result<LocalTail, UnitError> {
    match answer {
        Err(UnitError::NotOpen(_)) => {
            Ok(LocalTail { tail: Offset::ZERO, known_tail: Offset::ZERO, sealed: false, trim_point: Offset::ZERO })
        }
        answer => answer,
    }
}

type Answer<'a> = BoxFuture<'a, (usize, Result<LocalTail, UnitError>)>;

impl NativeLoglet {
    /// Asks all units and concludes as soon as enough have answered. If the highest tail is not known to be on a write
    /// quorum yet, waits until enough units have reached it, until a unit knows that it is on a write quorum, or until
    /// one says that the loglet is sealed.
    pub(super) async fn find_tail(&self) -> Result<Tail, LogletError> {
        let (id, quorums) = (self.params.id, self.quorums());
        let mut answers: FuturesUnordered<Answer<'_>> = FuturesUnordered::new();
        for (unit, on_unit) in self.copies.units.iter().enumerate() {
            answers.push(Box::pin(async move { (unit, counted(on_unit.tail(id).await)) }));
        }
        let mut tails: Vec<Option<LocalTail>> = vec![None; self.copies.units.len()];
        let mut awaited = vec![false; self.copies.units.len()];
        let (mut target, mut errors) = (None, Vec::new());
        while let Some((unit, answer)) = answers.next().await {
            match answer {
                Ok(tail) => tails[unit] = Some(tail),
                Err(e) => errors.push(e),
            }
            let known: Vec<LocalTail> = tails.iter().flatten().copied().collect();
            if let Some(tail) = conclude(quorums, &known, target) {
                return Ok(tail);
            }
            if known.len() < quorums.tail() {
                continue;
            }
            let target =
                *target.get_or_insert_with(|| known.iter().map(|t| t.tail).max().expect("a quorum has a unit"));
            for (unit, on_unit) in self.copies.units.iter().enumerate() {
                let Some(tail) = tails[unit] else { continue };
                if !std::mem::replace(&mut awaited[unit], true) {
                    let until =
                        if tail.tail < target { TailReaches::Local(target) } else { TailReaches::Known(target) };
                    answers.push(Box::pin(async move { (unit, on_unit.wait_tail(id, until).await) }));
                }
            }
        }
        Err(self.copies.unavailable("answer a tail check", &errors))
    }

    /// As [`Self::find_tail`], but from memory. `None` unless all units are in this process and their answers are
    /// enough for a conclusion.
    pub(super) fn find_tail_now(&self) -> Option<Tail> {
        let mut tails = Vec::with_capacity(self.copies.units.len());
        for unit in &self.copies.units {
            tails.push(unit.tail_now(self.params.id)?.ok()?);
        }
        conclude(self.quorums(), &tails, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(tail: u64, known_tail: u64) -> LocalTail {
        LocalTail { tail: Offset(tail), known_tail: Offset(known_tail), sealed: false, trim_point: Offset::ZERO }
    }

    fn sealed(tail: u64) -> LocalTail {
        LocalTail { sealed: true, ..at(tail, 0) }
    }

    fn open(tail: u64) -> Option<Tail> {
        Some(Tail::Open(Offset(tail)))
    }

    #[test]
    fn rule_1_one_seal_bit_is_enough_to_call_the_tail_sealed() {
        let three = Quorums::new(3, 2);
        assert_eq!(conclude(three, &[at(7, 7), at(7, 7), at(7, 7)], None), open(7));
        assert_eq!(conclude(three, &[at(7, 7), at(7, 7), sealed(5)], None), Some(Tail::Sealed(Offset(7))));
        assert_eq!(conclude(Quorums::new(1, 1), &[sealed(5)], None), Some(Tail::Sealed(Offset(5))));
    }

    #[test]
    fn rule_3_a_tail_check_that_may_have_missed_a_seal_concludes_nothing() {
        // Two of four units are sealed, which seals the loglet. The other two do not know of it.
        let four = Quorums::new(4, 3);
        assert_eq!(conclude(four, &[at(7, 7), at(7, 7)], None), None);
        assert_eq!(conclude(four, &[at(7, 7), at(7, 7), at(7, 7)], None), open(7));
        assert_eq!(conclude(four, &[at(7, 7), sealed(7)], None), Some(Tail::Sealed(Offset(7))));
        let two = Quorums::new(2, 2);
        assert_eq!(conclude(two, &[at(7, 7)], None), None, "the other unit alone may have been sealed");
    }

    #[test]
    fn rule_6_a_tail_is_answered_only_when_no_later_check_can_see_less() {
        let three = Quorums::new(3, 2);
        assert_eq!(conclude(three, &[at(7, 7)], None), None, "one of three is no quorum");
        assert_eq!(conclude(three, &[at(7, 3), at(5, 3)], None), None, "7 is on one unit, as far as one can see");
        assert_eq!(conclude(three, &[at(7, 3), at(5, 7)], None), open(7), "somebody knows it is on two");
        assert_eq!(conclude(three, &[at(7, 3), at(7, 3)], None), open(7));
    }

    #[test]
    fn appends_that_arrive_during_a_tail_check_do_not_prolong_it() {
        let three = Quorums::new(3, 2);
        let under_load = [at(9, 6), at(8, 6)];
        assert_eq!(conclude(three, &under_load, None), None);
        assert_eq!(conclude(three, &under_load, Some(Offset(7))), open(7), "7 was the highest tail at first");
        assert_eq!(conclude(three, &[at(9, 6), sealed(8)], Some(Offset(7))), Some(Tail::Sealed(Offset(9))));
    }
}

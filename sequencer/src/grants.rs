//! [`Grants`]: the pure rules of one loglet's sequencer (Delos, OSDI'20, section 4.2.1). Nothing here takes a lock,
//! reads a clock or calls another node.
//!
//! A batch is granted the next offsets and then waits for the units. It can end in these ways:
//!
//! 1. It is *committed* when a write quorum has it and every earlier batch is committed. Only then is it acknowledged,
//!    in order (safety rule 3).
//! 2. If every unit is sealed and holds no copy of the batch, the batch leaves no trace. A sealed unit never takes the
//!    batch from the sequencer.
//! 3. If a write quorum can no longer be reached, but some unit may hold the batch, the batch is *undecided*: the end of
//!    the segment in the chain decides. The loglet is over: its offsets are never used again, and a successor has to
//!    take over.
//! 4. If a loglet has only one unit, that unit is in the process of the sequencer, and each store arrives there once. So
//!    a store is not sent again. A batch that the unit refuses leaves no trace, and its offsets are given out again when
//!    all later batches are settled too. If nobody knows what the unit did, the outcome is unknown.
//!
//! With several units, a refusal says something about one message only: a late copy of the same store may still arrive
//! at the unit that refused it (`docs/protocol.md`, cluster 2). So the store is sent again until the unit gives a final
//! answer ([`Lane`](crate::lane::Lane)), and only final answers arrive here.

use std::collections::VecDeque;

use naxos_proto::contracts::{AppendError, Refusal};
use naxos_proto::ids::Offset;

use crate::answer::Answer;
use crate::in_flight_max::InFlightMax;

/// A batch whose outcome is known, so that the sequencer forgets it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settled<T> {
    /// The value that the caller attached to the batch.
    pub(crate) tag: T,
    /// The batch's first offset, or why it was not acknowledged.
    pub(crate) outcome: Result<Offset, AppendError>,
}

/// A granted batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The number of the batch. Numbers are consecutive.
    pub(crate) id: u64,
    /// The offset of its first cell.
    pub(crate) at: Offset,
}

struct InFlight<T> {
    tag: T,
    at: Offset,
    cells: u64,
    bytes: u64,
    answers: Vec<Option<Answer>>,
}

/// Why no batch is granted.
#[derive(Clone, Debug)]
enum Stopped {
    /// The only unit refused a batch. This ends when all batches in flight are settled.
    Refused(AppendError),
    /// The loglet is sealed, a batch is undecided, or the chain has ended the loglet. This state never ends.
    Over,
    /// Nobody knows what the only unit did. This state never ends.
    Unknown(String),
}

/// The sequencer's state of one loglet.
pub(crate) struct Grants<T> {
    units: usize,
    write_quorum: usize,
    next: Offset,
    known_tail: Offset,
    in_flight: VecDeque<InFlight<T>>,
    in_flight_bytes: u64,
    first_id: u64,
    stopped: Option<Stopped>,
    /// Whether the chain has ended the loglet, so that no answer of a unit is waited for.
    has_ended: bool,
    max: InFlightMax,
}

impl<T> Grants<T> {
    /// The state of an empty loglet on `units` units.
    pub(crate) fn new(units: usize, write_quorum: usize, max: InFlightMax) -> Self {
        assert!(
            write_quorum >= 1 && write_quorum <= units,
            "a write quorum of {write_quorum} is not possible with {units} units"
        );
        Self {
            units,
            write_quorum,
            next: Offset::ZERO,
            known_tail: Offset::ZERO,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            first_id: 0,
            stopped: None,
            has_ended: false,
            max,
        }
    }

    /// All offsets below this are on a write quorum.
    pub(crate) fn known_tail(&self) -> Offset {
        self.known_tail
    }

    /// The next offset that will be given out.
    pub(crate) fn next(&self) -> Offset {
        self.next
    }

    /// The offsets below this one are never given out again. Those above it may be, if the loglet has only one unit.
    pub(crate) fn never_again_below(&self) -> Offset {
        if self.units == 1 { self.known_tail } else { self.next }
    }

    /// How many batches wait for the units, and how many may.
    pub(crate) fn in_flight(&self) -> (usize, usize) {
        (self.in_flight.len(), self.max.batches)
    }

    /// Whether no batch waits for the units.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// How many units a write quorum can do without.
    pub(crate) fn spare_units(&self) -> usize {
        self.units - self.write_quorum
    }

    /// Whether no offset will be granted again because the loglet is sealed, a batch is undecided, or the chain has
    /// ended the loglet.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stopped, Some(Stopped::Over))
    }

    /// Grants nothing more, and leaves what is in flight undecided. For a loglet that the chain has ended.
    pub(crate) fn end(&mut self) {
        self.has_ended = true;
        self.stopped = Some(Stopped::Over);
    }

    /// Grants `cells` offsets to a batch of `bytes` bytes. If the batch is refused, the tag is returned.
    pub(crate) fn grant(&mut self, cells: u64, bytes: u64, tag: T) -> Result<Grant, (T, AppendError)> {
        assert!(cells > 0, "a batch has a cell");
        match &self.stopped {
            None => {}
            Some(Stopped::Refused(why)) => return Err((tag, why.clone())),
            Some(Stopped::Over) => return Err((tag, AppendError::Sealed)),
            Some(Stopped::Unknown(why)) => return Err((tag, Refusal::EarlierFailed(why.clone()).into())),
        }
        let is_over_bytes = !self.in_flight.is_empty() && self.in_flight_bytes + bytes > self.max.bytes;
        if self.in_flight.len() >= self.max.batches || is_over_bytes {
            return Err((tag, Refusal::Overloaded.into()));
        }
        let at = self.next;
        self.next = at.plus(cells);
        self.in_flight_bytes += bytes;
        self.in_flight.push_back(InFlight { tag, at, cells, bytes, answers: vec![None; self.units] });
        Ok(Grant { id: self.first_id + self.in_flight.len() as u64 - 1, at })
    }

    /// Takes the final answer about batch `id` from the unit with index `unit`. An answer about a settled batch comes
    /// from a slow unit and is ignored.
    pub(crate) fn answer(&mut self, id: u64, unit: usize, answer: Answer) {
        let Some(i) = id.checked_sub(self.first_id) else { return };
        if let Some(batch) = self.in_flight.get_mut(usize::try_from(i).expect("a small window")) {
            batch.answers[unit].get_or_insert(answer);
        }
    }

    /// Takes out the oldest batch, if its outcome is known. Call it until it returns `None`.
    pub(crate) fn settle(&mut self) -> Option<Settled<T>> {
        let outcome = self.outcome_of(self.in_flight.front()?)?;
        let batch = self.in_flight.pop_front().expect("looked at above");
        self.first_id += 1;
        self.in_flight_bytes -= batch.bytes;
        match &outcome {
            Ok(_) => self.known_tail = batch.at.plus(batch.cells),
            Err(e) => self.stop(e),
        }
        if self.in_flight.is_empty() && matches!(self.stopped, Some(Stopped::Refused(_))) {
            // The unit holds none of the refused batches, so their offsets can be given out again.
            self.next = self.known_tail;
            self.stopped = None;
        }
        Some(Settled { tag: batch.tag, outcome })
    }

    fn stop(&mut self, why: &AppendError) {
        let stopped = match why {
            AppendError::Refused(_) => Stopped::Refused(why.clone()),
            AppendError::Sealed | AppendError::Undecided { .. } => Stopped::Over,
            AppendError::Unknown(why) => Stopped::Unknown(why.clone()),
        };
        let rank = |stopped: &Stopped| match stopped {
            Stopped::Refused(_) => 0,
            Stopped::Over => 1,
            Stopped::Unknown(_) => 2,
        };
        if self.stopped.as_ref().is_none_or(|old| rank(old) < rank(&stopped)) {
            self.stopped = Some(stopped);
        }
    }

    fn outcome_of(&self, batch: &InFlight<T>) -> Option<Result<Offset, AppendError>> {
        let count = |f: fn(&Answer) -> bool| batch.answers.iter().flatten().filter(|a| f(a)).count();
        let undecided = AppendError::Undecided { at: batch.at };
        let durable = count(|a| *a == Answer::Durable);
        if durable >= self.write_quorum {
            // A batch after a failed one can never be committed, because the failed one is not committed.
            return Some(match &self.stopped {
                None => Ok(batch.at),
                Some(Stopped::Unknown(_)) => Err(AppendError::Unknown("an earlier append failed".to_owned())),
                Some(_) => Err(undecided),
            });
        }
        let open = batch.answers.iter().filter(|a| a.is_none()).count();
        if durable + open >= self.write_quorum && !self.has_ended {
            return None;
        }
        if count(|a| *a == Answer::Sealed) == self.units {
            return Some(Err(AppendError::Sealed));
        }
        let only = batch.answers.first().filter(|_| self.units == 1);
        Some(Err(match only {
            Some(Some(Answer::Refused(refusal))) => refusal.clone().into(),
            Some(Some(Answer::NotOpen(e))) => Refusal::Unit(e.clone()).into(),
            Some(Some(Answer::Unknown(why))) => AppendError::Unknown(why.clone()),
            _ => undecided,
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: InFlightMax = InFlightMax { batches: 8, bytes: 1_000 };

    fn drain<T>(g: &mut Grants<T>) -> Vec<Settled<T>> {
        std::iter::from_fn(|| g.settle()).collect()
    }

    fn held() -> Answer {
        Answer::Held(String::new())
    }

    #[test]
    fn a_quorum_acknowledges_in_order() {
        let mut g = Grants::new(3, 2, MAX);
        let a = g.grant(2, 0, 'a').unwrap();
        let b = g.grant(1, 0, 'b').unwrap();
        assert_eq!((a.at, b.at), (Offset(0), Offset(2)));
        g.answer(b.id, 0, Answer::Durable);
        g.answer(b.id, 1, Answer::Durable);
        assert!(drain(&mut g).is_empty(), "b waits for a");
        g.answer(a.id, 2, Answer::Durable);
        assert!(drain(&mut g).is_empty(), "one copy is no quorum");
        g.answer(a.id, 1, Answer::Durable);
        let tags: Vec<_> = drain(&mut g).into_iter().map(|s| (s.tag, s.outcome)).collect();
        assert_eq!(tags, [('a', Ok(Offset(0))), ('b', Ok(Offset(2)))]);
        assert_eq!(g.known_tail(), Offset(3));
    }

    #[test]
    fn the_only_unit_refuses_a_batch_and_its_offsets_are_given_out_again() {
        let mut g = Grants::new(1, 1, MAX);
        let a = g.grant(1, 0, 'a').unwrap();
        let b = g.grant(1, 0, 'b').unwrap();
        g.answer(a.id, 0, Answer::Refused(Refusal::DiskFull { free: 1, needed: 2 }));
        let refused = AppendError::Refused(Refusal::DiskFull { free: 1, needed: 2 });
        assert_eq!(drain(&mut g).pop().unwrap().outcome, Err(refused), "the caller is told what the unit said");
        assert!(g.grant(1, 0, 'c').is_err(), "b is still out");
        g.answer(b.id, 0, Answer::Refused(Refusal::EarlierFailed(String::new())));
        assert_eq!(drain(&mut g).len(), 1);
        assert_eq!(g.grant(1, 0, 'd').unwrap().at, Offset(0));
    }

    #[test]
    fn a_batch_of_which_the_sealed_units_hold_no_copy_is_not_done() {
        let mut g = Grants::new(3, 2, MAX);
        let a = g.grant(1, 0, 'a').unwrap();
        for unit in 0..3 {
            g.answer(a.id, unit, Answer::Sealed);
        }
        assert_eq!(g.settle().unwrap().outcome, Err(AppendError::Sealed));
        assert!(matches!(g.grant(1, 0, 'b'), Err((_, AppendError::Sealed))));
    }

    #[test]
    fn rule_10_the_end_of_the_segment_decides_about_a_batch_that_some_unit_may_hold() {
        for answers in [[Answer::Durable, Answer::Sealed, Answer::Sealed], [held(), Answer::Sealed, Answer::Sealed]] {
            let mut g = Grants::new(3, 2, MAX);
            g.grant(3, 0, 'a').unwrap();
            let b = g.grant(1, 0, 'b').unwrap();
            for unit in 0..2 {
                g.answer(0, unit, Answer::Durable);
            }
            for (unit, answer) in answers.into_iter().enumerate() {
                g.answer(b.id, unit, answer);
            }
            assert_eq!(g.settle().unwrap().outcome, Ok(Offset(0)));
            assert_eq!(g.settle().unwrap().outcome, Err(AppendError::Undecided { at: Offset(3) }));
            assert!(g.is_over());
            assert!(matches!(g.grant(1, 0, 'c'), Err((_, AppendError::Sealed))), "c was granted no offset");
        }
    }

    #[test]
    fn a_batch_is_undecided_as_soon_as_no_write_quorum_can_be_reached() {
        let mut g = Grants::new(3, 2, MAX);
        let a = g.grant(1, 0, 'a').unwrap();
        g.answer(a.id, 0, Answer::Sealed);
        assert!(g.settle().is_none());
        g.answer(a.id, 1, Answer::Sealed);
        assert_eq!(g.settle().unwrap().outcome, Err(AppendError::Undecided { at: Offset(0) }));
    }

    #[test]
    fn a_unit_that_does_not_answer_holds_up_no_batch_of_a_loglet_that_the_chain_has_ended() {
        let mut g = Grants::new(3, 2, MAX);
        let a = g.grant(1, 0, 'a').unwrap();
        g.answer(a.id, 0, Answer::Durable);
        g.answer(a.id, 1, Answer::Sealed);
        assert!(g.settle().is_none(), "the third unit may complete the quorum");
        g.end();
        assert_eq!(g.settle().unwrap().outcome, Err(AppendError::Undecided { at: Offset(0) }));
        assert!(matches!(g.grant(1, 0, 'b'), Err((_, AppendError::Sealed))));
    }

    #[test]
    fn rule_3_nothing_after_an_undecided_batch_is_acknowledged() {
        let mut g = Grants::new(3, 2, MAX);
        let a = g.grant(1, 0, 'a').unwrap();
        let b = g.grant(1, 0, 'b').unwrap();
        g.answer(b.id, 0, Answer::Durable);
        g.answer(b.id, 1, Answer::Durable);
        g.answer(a.id, 0, held());
        g.answer(a.id, 1, held());
        let outcomes: Vec<_> = drain(&mut g).into_iter().map(|s| s.outcome).collect();
        let undecided = |at| Err(AppendError::Undecided { at: Offset(at) });
        assert_eq!(outcomes, [undecided(0), undecided(1)]);
        assert_eq!(g.known_tail(), Offset(0), "nor does it raise the known tail");
    }

    #[test]
    fn offsets_of_an_unknown_batch_are_never_reused() {
        let mut g = Grants::new(1, 1, MAX);
        let a = g.grant(1, 0, 'a').unwrap();
        g.answer(a.id, 0, Answer::Unknown("poisoned".to_owned()));
        assert!(matches!(g.settle().unwrap().outcome, Err(AppendError::Unknown(_))));
        assert!(matches!(g.grant(1, 0, 'b'), Err((_, AppendError::Refused(_)))));
    }

    #[test]
    fn rule_12_a_bounded_number_of_batches_and_bytes_is_out() {
        let mut g = Grants::new(1, 1, InFlightMax { batches: 2, bytes: 10 });
        let a = g.grant(1, 11, 'a').unwrap();
        assert!(matches!(g.grant(1, 0, 'b'), Err(('b', AppendError::Refused(Refusal::Overloaded)))), "too many bytes");
        g.answer(a.id, 0, Answer::Durable);
        assert_eq!(drain(&mut g).len(), 1);
        let b = g.grant(1, 4, 'b').unwrap();
        g.grant(1, 4, 'c').unwrap();
        assert!(
            matches!(g.grant(1, 0, 'd'), Err(('d', AppendError::Refused(Refusal::Overloaded)))),
            "too many batches"
        );
        g.answer(b.id, 0, Answer::Durable);
        assert_eq!(drain(&mut g).len(), 1);
        assert_eq!(g.grant(1, 4, 'e').unwrap().at, Offset(3), "a refused batch took no offset");
    }

    proptest! {
        #[test]
        fn nothing_is_acknowledged_below_a_quorum(answers in prop::collection::vec((0u64..6, 0usize..3, 0u8..4), 0..40)) {
            let mut g = Grants::new(3, 2, MAX);
            for tag in 0..6u64 {
                g.grant(1, 0, tag).unwrap();
            }
            let mut durable = [[false; 3]; 6];
            let mut answered = [[false; 3]; 6];
            let mut acked = 0;
            for (id, unit, kind) in answers {
                let answer = match kind {
                    0 | 1 => Answer::Durable,
                    2 => Answer::Sealed,
                    _ => held(),
                };
                if id >= acked && !answered[id as usize][unit] {
                    answered[id as usize][unit] = true;
                    durable[id as usize][unit] = answer == Answer::Durable;
                }
                g.answer(id, unit, answer);
                while let Some(s) = g.settle() {
                    prop_assert_eq!(s.tag, acked, "batches settle in order");
                    acked += 1;
                    if s.outcome.is_ok() {
                        prop_assert!(durable[s.tag as usize].iter().filter(|d| **d).count() >= 2);
                        prop_assert_eq!(g.known_tail(), Offset(s.tag + 1));
                    }
                }
            }
        }
    }
}

//! The pure rules of one loglet's sequencer (Delos, OSDI'20, section 4.2.1). There is no lock, clock or call in here.
//!
//! A batch is granted the next offsets and then waits for the units. It can end in three ways:
//!
//! 1. It is *committed* when a write quorum has it and every earlier batch is committed. Only then is it acknowledged,
//!    in order (safety rule 3).
//! 2. If every unit is sealed and holds no copy of the batch, the batch leaves no trace. A sealed unit never takes the
//!    batch from the sequencer.
//! 3. If it cannot be committed, but a unit may hold a copy of it or may get one later, its outcome is unknown and the
//!    loglet is broken. Its offsets are never used again; a successor has to take over.
//!
//! A refusal says something about one message only. If a loglet has several units, a late copy of the same store may
//! still arrive at the unit that refused it. So a refused batch falls under 3 (`docs/protocol.md`, cluster 2).
//!
//! If a loglet has only one unit, that unit is in the process of the sequencer, and each store arrives there once. So a
//! refused batch leaves no trace. If the unit was not sealed, the offsets of the batch are given out again when all
//! later batches are settled too.

use std::collections::VecDeque;

use naxos_proto::contracts::{AppendError, CellOutcome, Refusal, Stored, UnitError};
use naxos_proto::ids::Offset;

/// The answer of one unit about one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Every cell is durable on the unit, and the unit counts toward the write quorum.
    Durable,
    /// The unit is sealed. It wrote nothing and holds no cell of the batch.
    Sealed,
    /// The unit wrote nothing, for the given reason.
    Refused(Refusal),
    /// The unit holds some or all cells but does not count toward the write quorum; or nobody knows what it holds.
    Unknown(String),
}

impl Answer {
    /// Summarizes a unit's answer to a store.
    pub fn of(result: Result<Stored, UnitError>) -> Answer {
        let stored = match result {
            Ok(stored) => stored,
            Err(e) if e.is_unknown() => return Answer::Unknown(e.to_string()),
            Err(UnitError::Dropped(_)) => return Answer::Sealed,
            Err(e) => return Answer::Refused(e.into()),
        };
        let held = |cell: &CellOutcome| matches!(cell, CellOutcome::Written | CellOutcome::Same);
        if stored.acknowledges() {
            Answer::Durable
        } else if stored.cells.iter().all(held) {
            Answer::Unknown("the loglet was sealed, and a unit holds the batch".to_owned())
        } else if stored.cells.iter().any(held) {
            Answer::Unknown("a unit took a part of the batch".to_owned())
        } else if stored.cells.contains(&CellOutcome::Different) {
            Answer::Unknown("a unit holds another value at a granted offset".to_owned())
        } else if stored.cells.contains(&CellOutcome::Sealed) {
            Answer::Sealed
        } else {
            Answer::Refused(Refusal::EarlierFailed("the cell before it is missing".to_owned()))
        }
    }
}

/// A batch whose outcome is known, so that the sequencer forgets it.
#[derive(Debug, PartialEq, Eq)]
pub struct Settled<T> {
    /// The value that the caller attached to the batch.
    pub tag: T,
    /// The batch's first offset, or why it was not acknowledged.
    pub outcome: Result<Offset, AppendError>,
}

struct InFlight<T> {
    tag: T,
    at: Offset,
    cells: u64,
    answers: Vec<Option<Answer>>,
}

/// The sequencer's state of one loglet.
pub struct Grants<T> {
    units: usize,
    write_quorum: usize,
    next: Offset,
    known_tail: Offset,
    in_flight: VecDeque<InFlight<T>>,
    first_id: u64,
    /// Why a batch failed; `None` if none did. While it is set, new batches are refused. A refusal is cleared when all
    /// batches in flight are settled; a seal and an unknown outcome never are.
    failed: Option<AppendError>,
    in_flight_max: usize,
}

impl<T> Grants<T> {
    /// The state of an empty loglet on `units` units. At most `in_flight_max` batches may be in flight.
    pub fn new(units: usize, write_quorum: usize, in_flight_max: usize) -> Self {
        assert!(write_quorum >= 1 && write_quorum <= units, "a write quorum of {write_quorum} needs as many units");
        Self {
            units,
            write_quorum,
            next: Offset::ZERO,
            known_tail: Offset::ZERO,
            in_flight: VecDeque::new(),
            first_id: 0,
            failed: None,
            in_flight_max,
        }
    }

    /// All offsets below this are on a write quorum.
    pub fn known_tail(&self) -> Offset {
        self.known_tail
    }

    /// Whether no batch waits for the units.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Grants `cells` offsets to a batch. Returns its number and first offset. If the batch is refused, the tag is
    /// returned.
    pub fn grant(&mut self, cells: u64, tag: T) -> Result<(u64, Offset), (T, AppendError)> {
        assert!(cells > 0, "a batch has a cell");
        if let Some(failed) = &self.failed {
            let why = match failed {
                AppendError::Unknown(why) => Refusal::EarlierFailed(why.clone()).into(),
                other => other.clone(),
            };
            return Err((tag, why));
        }
        if self.in_flight.len() >= self.in_flight_max {
            return Err((tag, Refusal::Overloaded.into()));
        }
        let at = self.next;
        self.next = at.plus(cells);
        self.in_flight.push_back(InFlight { tag, at, cells, answers: vec![None; self.units] });
        Ok((self.first_id + self.in_flight.len() as u64 - 1, at))
    }

    /// Takes the answer about batch `id` (the number that [`Self::grant`] returned) from the unit with index `unit`. An
    /// answer about a settled batch comes from a slow unit and is ignored.
    pub fn answer(&mut self, id: u64, unit: usize, answer: Answer) {
        let Some(i) = id.checked_sub(self.first_id) else { return };
        if let Some(batch) = self.in_flight.get_mut(usize::try_from(i).expect("a small window")) {
            batch.answers[unit].get_or_insert(answer);
        }
    }

    /// Takes out the oldest batch, if its outcome is known. Call it until it returns `None`.
    pub fn settle(&mut self) -> Option<Settled<T>> {
        let outcome = self.outcome_of(self.in_flight.front()?)?;
        let batch = self.in_flight.pop_front().expect("looked at above");
        self.first_id += 1;
        match &outcome {
            Ok(_) => self.known_tail = batch.at.plus(batch.cells),
            Err(e) => self.fail(e.clone()),
        }
        if self.in_flight.is_empty() && matches!(self.failed, Some(AppendError::Refused(_))) {
            // No unit holds any of the refused batches, so their offsets can be given out again.
            self.next = self.known_tail;
            self.failed = None;
        }
        Some(Settled { tag: batch.tag, outcome })
    }

    fn fail(&mut self, with: AppendError) {
        let rank = |e: &AppendError| match e {
            AppendError::Refused(_) => 0,
            AppendError::Sealed => 1,
            AppendError::Unknown(_) => 2,
        };
        if self.failed.as_ref().is_none_or(|old| rank(old) < rank(&with)) {
            self.failed = Some(with);
        }
    }

    fn outcome_of(&self, batch: &InFlight<T>) -> Option<Result<Offset, AppendError>> {
        let count = |f: fn(&Answer) -> bool| batch.answers.iter().flatten().filter(|a| f(a)).count();
        let durable = count(|a| *a == Answer::Durable);
        if durable >= self.write_quorum {
            // A batch after a failed one can never be committed, because the failed one is not committed.
            return Some(match &self.failed {
                None => Ok(batch.at),
                Some(_) => Err(AppendError::Unknown("an append before it failed".to_owned())),
            });
        }
        let open = batch.answers.iter().filter(|a| a.is_none()).count();
        if durable + open >= self.write_quorum {
            return None;
        }
        let sealed = count(|a| *a == Answer::Sealed);
        if sealed == self.units {
            return Some(Err(AppendError::Sealed));
        }
        if self.units == 1 && durable == 0 && count(|a| matches!(a, Answer::Unknown(_))) == 0 {
            let refusal = batch.answers.iter().flatten().find_map(|a| match a {
                Answer::Refused(refusal) => Some(refusal.clone()),
                _ => None,
            });
            return Some(Err(refusal.expect("each unit refused it").into()));
        }
        let why = batch.answers.iter().flatten().find_map(|a| match a {
            Answer::Unknown(why) => Some(why.clone()),
            Answer::Refused(refusal) => Some(refusal.to_string()),
            _ => None,
        });
        Some(Err(AppendError::Unknown(why.unwrap_or_else(|| "the loglet was sealed meanwhile".to_owned()))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain<T>(g: &mut Grants<T>) -> Vec<Settled<T>> {
        std::iter::from_fn(|| g.settle()).collect()
    }

    #[test]
    fn a_quorum_acknowledges_in_order() {
        let mut g = Grants::new(3, 2, 8);
        let (a, at_a) = g.grant(2, 'a').unwrap();
        let (b, at_b) = g.grant(1, 'b').unwrap();
        assert_eq!((at_a, at_b), (Offset(0), Offset(2)));
        g.answer(b, 0, Answer::Durable);
        g.answer(b, 1, Answer::Durable);
        assert!(drain(&mut g).is_empty(), "b waits for a");
        g.answer(a, 2, Answer::Durable);
        assert!(drain(&mut g).is_empty(), "one copy is no quorum");
        g.answer(a, 1, Answer::Durable);
        let tags: Vec<_> = drain(&mut g).into_iter().map(|s| (s.tag, s.outcome)).collect();
        assert_eq!(tags, [('a', Ok(Offset(0))), ('b', Ok(Offset(2)))]);
        assert_eq!(g.known_tail(), Offset(3));
    }

    #[test]
    fn a_refused_batch_gives_its_offsets_back_once_all_behind_it_are_settled() {
        let mut g = Grants::new(1, 1, 8);
        let (a, _) = g.grant(1, 'a').unwrap();
        let (b, _) = g.grant(1, 'b').unwrap();
        g.answer(a, 0, Answer::Refused(Refusal::DiskFull { free: 1, needed: 2 }));
        let refused = AppendError::Refused(Refusal::DiskFull { free: 1, needed: 2 });
        assert_eq!(drain(&mut g).pop().unwrap().outcome, Err(refused), "the caller is told what the unit said");
        assert!(g.grant(1, 'c').is_err(), "b is still out");
        g.answer(b, 0, Answer::Refused(Refusal::EarlierFailed(String::new())));
        assert_eq!(drain(&mut g).len(), 1);
        assert_eq!(g.grant(1, 'd').unwrap().1, Offset(0));
    }

    #[test]
    fn rule_2_of_a_cluster_an_offset_that_one_of_several_units_refused_is_not_given_out_again() {
        let refused = || Answer::Refused(Refusal::DiskFull { free: 1, needed: 2 });
        for last in [refused(), Answer::Sealed] {
            let mut g = Grants::new(3, 2, 8);
            let (a, _) = g.grant(1, 'a').unwrap();
            g.answer(a, 0, refused());
            g.answer(a, 1, refused());
            g.answer(a, 2, last);
            // A late copy of the store may still arrive at a unit that is not sealed.
            assert!(matches!(g.settle().unwrap().outcome, Err(AppendError::Unknown(_))));
            assert!(matches!(g.grant(1, 'b'), Err((_, AppendError::Refused(_)))));
        }
    }

    #[test]
    fn a_seal_that_met_no_copy_is_not_done_and_one_that_did_is_unknown() {
        let mut g = Grants::new(3, 2, 8);
        let (a, _) = g.grant(1, 'a').unwrap();
        for unit in 0..3 {
            g.answer(a, unit, Answer::Sealed);
        }
        assert_eq!(g.settle().unwrap().outcome, Err(AppendError::Sealed));
        assert!(matches!(g.grant(1, 'b'), Err((_, AppendError::Sealed))));

        let mut g = Grants::new(3, 2, 8);
        let (a, _) = g.grant(1, 'a').unwrap();
        g.answer(a, 0, Answer::Durable);
        g.answer(a, 1, Answer::Sealed);
        assert!(g.settle().is_none());
        g.answer(a, 2, Answer::Sealed);
        assert!(matches!(g.settle().unwrap().outcome, Err(AppendError::Unknown(_))));
    }

    /// The answer to a store of one cell; `sealed` is the loglet's seal bit.
    fn answered(cell: CellOutcome, sealed: bool) -> Answer {
        Answer::of(Ok(Stored { cells: vec![cell], sealed }))
    }

    #[test]
    fn rule_3_what_a_sealed_unit_holds_already_is_no_acknowledgement() {
        assert_eq!(answered(CellOutcome::Same, false), Answer::Durable);
        assert_eq!(answered(CellOutcome::Written, true), Answer::Durable, "it was written before the seal");
        let mut g = Grants::new(3, 2, 8);
        let (a, _) = g.grant(1, 'a').unwrap();
        g.answer(a, 0, answered(CellOutcome::Written, false));
        g.answer(a, 1, answered(CellOutcome::Same, true));
        assert!(g.settle().is_none(), "one copy is no quorum");
        g.answer(a, 2, answered(CellOutcome::Sealed, true));
        assert!(matches!(g.settle().unwrap().outcome, Err(AppendError::Unknown(_))));
        assert_eq!(g.known_tail(), Offset(0), "nor does it raise the known tail");
    }

    #[test]
    fn rule_10_a_batch_that_a_sealed_unit_holds_is_not_sent_to_the_successor() {
        let mut g = Grants::new(1, 1, 8);
        let (a, _) = g.grant(1, 'a').unwrap();
        // The answer to the first store was lost, the loglet was sealed, and then the store was sent again.
        g.answer(a, 0, answered(CellOutcome::Same, true));
        assert!(matches!(g.settle().unwrap().outcome, Err(AppendError::Unknown(_))));
    }

    #[test]
    fn offsets_of_an_unknown_batch_are_never_reused() {
        let mut g = Grants::new(1, 1, 8);
        let (a, _) = g.grant(1, 'a').unwrap();
        g.answer(a, 0, Answer::Unknown("poisoned".to_owned()));
        assert!(matches!(g.settle().unwrap().outcome, Err(AppendError::Unknown(_))));
        assert!(matches!(g.grant(1, 'b'), Err((_, AppendError::Refused(_)))));
    }

    #[test]
    fn rule_12_a_bounded_number_of_batches_is_out() {
        let mut g = Grants::new(1, 1, 2);
        let (a, _) = g.grant(1, 'a').unwrap();
        g.grant(1, 'b').unwrap();
        assert!(matches!(g.grant(1, 'c'), Err(('c', AppendError::Refused(_)))));
        g.answer(a, 0, Answer::Durable);
        assert_eq!(drain(&mut g).len(), 1);
        assert_eq!(g.grant(1, 'd').unwrap().1, Offset(2), "a refused batch took no offset");
    }

    proptest! {
        #[test]
        fn nothing_is_acknowledged_below_a_quorum(answers in prop::collection::vec((0u64..6, 0usize..3, 0u8..4), 0..40)) {
            let mut g = Grants::new(3, 2, 8);
            for tag in 0..6u64 {
                g.grant(1, tag).unwrap();
            }
            let mut durable = [[false; 3]; 6];
            let mut answered = [[false; 3]; 6];
            let mut acked = 0;
            for (id, unit, kind) in answers {
                let answer = match kind {
                    0 | 1 => Answer::Durable,
                    2 => Answer::Sealed,
                    _ => Answer::Unknown(String::new()),
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

//! Passing cells on along the chain, one unit after the other.
//!
//! A cell goes to a unit only after the unit before it has answered that it holds the cell, and that it was not sealed
//! then. So when the last unit has taken the cell, each unit held it before that unit was sealed (`docs/protocol.md`,
//! Corfu 2 and 3).

use naxos_proto::contracts::{AppendError, Cell, CellOutcome, Refusal, Stored, UnitError};
use naxos_proto::ids::Offset;

use super::rest::Rest;
use super::unit_chain::UnitChain;

/// What one offset or several consecutive offsets hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Cells(Vec<Cell>),
    /// One offset holds junk.
    Junk,
}

impl Content {
    /// The offset after this content, if it begins at `at`.
    fn end(&self, at: Offset) -> Offset {
        match self {
            Content::Cells(cells) => at.plus(cells.len() as u64),
            Content::Junk => at.next(),
        }
    }
}

/// Why something was not passed on. Nobody passes it on after that. The end of the segment decides whether it is in the
/// log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// A unit is sealed, or does not have the loglet.
    Sealed,
    /// A unit holds something else or a damaged cell, or refuses the store for good.
    Differs,
    /// The chain of loglets has ended this one.
    Ended,
}

/// How a unit answered in the end, if passing on may continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passed {
    /// The unit holds the content and was not sealed.
    Taken,
    /// The unit lacks the cell before the content.
    Gap,
}

/// What a unit's answer means for a process that passes something on to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The content is durable on the unit, and the unit was not sealed.
    Taken,
    /// The unit lacks the cell before the content.
    Gap,
    /// The unit holds something else, or has trimmed the offset.
    Different,
    Stopped(Stopped),
    /// Nothing is known, or the unit wrote nothing. Another attempt may succeed.
    Again,
}

impl Answer {
    fn of(result: &Result<Stored, UnitError>) -> Answer {
        match result {
            Ok(stored) if stored.acknowledges() => Answer::Taken,
            Ok(stored) if stored.sealed => Answer::Stopped(Stopped::Sealed),
            Ok(stored) if stored.cells.contains(&CellOutcome::Different) => Answer::Different,
            Ok(_) => Answer::Gap,
            Err(UnitError::Dropped(_) | UnitError::NotOpen(_)) => Answer::Stopped(Stopped::Sealed),
            Err(UnitError::WrongIncarnation { .. } | UnitError::Invalid(_)) => Answer::Stopped(Stopped::Differs),
            Err(_) => Answer::Again,
        }
    }
}

impl UnitChain {
    /// Stores `content` at `at` on the unit with index `unit`. One attempt.
    pub(super) async fn put(&self, unit: usize, at: Offset, content: &Content) -> Result<Stored, UnitError> {
        let result = match content {
            Content::Junk => self.copies.fill(unit, at, self.purpose()).await,
            Content::Cells(cells) => self.copies.store(unit, at, cells.clone(), self.purpose()).await,
        };
        match &result {
            Ok(_) => self.note_full(unit, None),
            Err(UnitError::DiskFull { free, needed }) => {
                self.note_full(unit, Some(Refusal::DiskFull { free: *free, needed: *needed }));
            }
            Err(_) => {}
        }
        result
    }

    /// Stores `content` on the unit with index `unit`. The previous unit of the chain holds the content, if there is a
    /// previous one. Tries until the unit takes the content, lacks the cell before it, or answers that no attempt will
    /// succeed.
    async fn pass_to(&self, unit: usize, at: Offset, content: &Content) -> Result<Passed, Stopped> {
        let mut rest = Rest::new(&*self.copies.clock);
        loop {
            match Answer::of(&self.put(unit, at, content).await) {
                Answer::Taken => return Ok(Passed::Taken),
                Answer::Gap => return Ok(Passed::Gap),
                Answer::Stopped(why) => return Err(why),
                Answer::Different if self.has_trimmed(unit, content.end(at)).await => return Ok(Passed::Taken),
                Answer::Different => {
                    let (unit, loglet) = (self.units()[unit].storage_id(), self.id);
                    tracing::error!(%unit, %loglet, offset = at.0, "a unit holds something else than the one before it");
                    return Err(Stopped::Differs);
                }
                Answer::Again => rest.pause().await,
            }
        }
    }

    /// Whether the unit has trimmed everything below `below`. If so, all of that was committed.
    async fn has_trimmed(&self, unit: usize, below: Offset) -> bool {
        self.units()[unit].tail(self.id).await.is_ok_and(|tail| tail.trim_point >= below)
    }

    /// Passes on an append that is on the first unit. Returns its offset once the last unit has it. `from` is the index
    /// of the first unit that has not yet answered that it holds the append (see [`super::place::Placed`]).
    pub(super) async fn pass_append(&self, at: Offset, batch: Vec<Cell>, from: usize) -> Result<Offset, AppendError> {
        let content = Content::Cells(batch);
        let passes = async {
            for unit in from..self.units().len() {
                while self.pass_to(unit, at, &content).await? == Passed::Gap {
                    self.wait_below(at).await?;
                }
            }
            Ok(())
        };
        let outcome: Result<(), Stopped> = tokio::select! {
            biased;
            passed = passes => passed,
            _ = self.has_ended() => Err(Stopped::Ended),
        };
        match outcome {
            Ok(()) => {
                self.learn(content.end(at));
                Ok(at)
            }
            Err(why) => {
                tracing::debug!(loglet = %self.id, offset = at.0, ?why, "the end of the segment decides about an append");
                Err(AppendError::Undecided { at })
            }
        }
    }

    /// Passes along the whole chain what the first unit holds at `at`. The last unit must have everything below `at`.
    pub(super) async fn pass_decided(&self, at: Offset, content: &Content) -> Result<(), Stopped> {
        for unit in 0..self.units().len() {
            let mut rest = Rest::new(&*self.copies.clock);
            // The cells below are there. Only an answer that was given before they came can still tell of a gap.
            while self.pass_to(unit, at, content).await? == Passed::Gap {
                rest.pause().await;
            }
        }
        self.learn(content.end(at));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::LogletId;

    use super::*;

    fn answered(cells: &[CellOutcome], sealed: bool) -> Answer {
        Answer::of(&Ok(Stored { cells: cells.to_vec(), sealed }))
    }

    #[test]
    fn rule_1_what_a_sealed_unit_holds_already_is_passed_on_no_further() {
        use CellOutcome::{Same, Sealed, Written};
        assert_eq!(answered(&[Same], false), Answer::Taken);
        assert_eq!(answered(&[Written, Same], false), Answer::Taken);
        assert_eq!(answered(&[Same], true), Answer::Stopped(Stopped::Sealed), "a repair may have brought it");
        assert_eq!(answered(&[Sealed], true), Answer::Stopped(Stopped::Sealed));
        assert_eq!(Answer::of(&Err(UnitError::Dropped(LogletId::default()))), Answer::Stopped(Stopped::Sealed));
    }

    #[test]
    fn an_answer_is_final_unless_another_attempt_may_change_it() {
        for error in [UnitError::Unanswered, UnitError::Overloaded, UnitError::Stopped, UnitError::Poisoned("x".into())]
        {
            assert_eq!(Answer::of(&Err(error.clone())), Answer::Again, "{error:?}");
        }
        assert_eq!(answered(&[CellOutcome::Gap], false), Answer::Gap);
        assert_eq!(answered(&[CellOutcome::Different], false), Answer::Different);
        assert_eq!(Answer::of(&Err(UnitError::Invalid("no cells"))), Answer::Stopped(Stopped::Differs));
    }
}

//! [`Answer`]: what the answer of one unit means for one batch.

use naxos_proto::contracts::{CellOutcome, Refusal, Stored, UnitError};

/// The answer of one unit about one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Every cell is durable on the unit, and the unit counts toward the write quorum.
    Durable,
    /// The unit is sealed. It wrote nothing and holds no cell of the batch.
    Sealed,
    /// The unit may hold cells of the batch, or it holds other bytes there, or it refuses the request itself. It will
    /// never count toward the write quorum.
    Held(String),
    /// The loglet was never opened on this unit. The unit wrote nothing.
    NotOpen(UnitError),
    /// The unit wrote nothing, for the given reason.
    Refused(Refusal),
    /// Nobody knows what the unit holds.
    Unknown(String),
}

impl Answer {
    /// Summarizes a unit's answer to a store.
    pub(crate) fn of(result: Result<Stored, UnitError>) -> Answer {
        let stored = match result {
            Ok(stored) => stored,
            Err(e) if e.is_unknown() => return Answer::Unknown(e.to_string()),
            Err(UnitError::Dropped(_)) => return Answer::Sealed,
            Err(e @ UnitError::NotOpen(_)) => return Answer::NotOpen(e),
            Err(e @ (UnitError::WrongIncarnation { .. } | UnitError::Invalid(_))) => {
                return Answer::Held(e.to_string());
            }
            Err(e) => return Answer::Refused(e.into()),
        };
        if stored.acknowledges() {
            Answer::Durable
        } else if stored.cells.contains(&CellOutcome::Different) {
            Answer::Held("a unit holds another value at a granted offset".to_owned())
        } else if stored.sealed && stored.cells.iter().all(|cell| *cell == CellOutcome::Sealed) {
            Answer::Sealed
        } else if stored.sealed {
            Answer::Held("the loglet was sealed, and a unit holds the batch or a part of it".to_owned())
        } else if stored.cells.first() == Some(&CellOutcome::Gap) {
            Answer::Refused(Refusal::EarlierFailed("the cell before it is missing".to_owned()))
        } else {
            Answer::Unknown("a unit took a part of the batch".to_owned())
        }
    }

    /// Whether the unit will give no other answer about this batch, however often the store is sent again.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Answer::Durable | Answer::Sealed | Answer::Held(_))
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::LogletId;

    use super::*;

    fn answered(cells: &[CellOutcome], sealed: bool) -> Answer {
        Answer::of(Ok(Stored { cells: cells.to_vec(), sealed }))
    }

    #[test]
    fn rule_3_what_a_sealed_unit_holds_already_is_no_acknowledgement() {
        assert_eq!(answered(&[CellOutcome::Same], false), Answer::Durable);
        assert_eq!(answered(&[CellOutcome::Written], true), Answer::Durable, "it was written before the seal");
        assert!(matches!(answered(&[CellOutcome::Same], true), Answer::Held(_)));
    }

    #[test]
    fn a_unit_counts_as_sealed_only_if_it_holds_nothing_of_the_batch() {
        assert_eq!(answered(&[CellOutcome::Sealed, CellOutcome::Sealed], true), Answer::Sealed);
        assert!(matches!(answered(&[CellOutcome::Same, CellOutcome::Sealed], true), Answer::Held(_)));
        assert_eq!(Answer::of(Err(UnitError::Dropped(LogletId::default()))), Answer::Sealed);
    }

    #[test]
    fn an_answer_is_final_unless_sending_the_store_again_may_change_it() {
        let id = LogletId::default();
        for error in [UnitError::Unanswered, UnitError::Overloaded, UnitError::NotOpen(id), UnitError::Stopped] {
            assert!(!Answer::of(Err(error.clone())).is_final(), "{error:?}");
        }
        assert!(!answered(&[CellOutcome::Gap], false).is_final());
        assert!(!answered(&[CellOutcome::Written, CellOutcome::Gap], false).is_final());
        assert!(answered(&[CellOutcome::Different], false).is_final());
        assert!(Answer::of(Err(UnitError::Invalid("no cells"))).is_final());
    }
}

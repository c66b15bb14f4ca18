//! A tail check. The tail of an open loglet is the tail of its last unit. The check asks the units and never the
//! sequencer, because the sequencer has also given out offsets of appends that are not acknowledged.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use naxos_proto::contracts::{LocalTail, UnitError};
use naxos_proto::ids::Offset;
use naxos_proto::tail::Tail;

use super::rest::Rest;
use super::unit_chain::UnitChain;
use crate::loglet::LogletError;

/// How long a tail check waits for units that do not answer.
const TAIL_PATIENCE: Duration = Duration::from_secs(1);

/// Concludes a tail check from the units' answers, which are in the order of the chain. `None` if they are not enough.
///
/// 1. One sealed unit ends the loglet, and each unit alone may be the one that is sealed. So the loglet may be called
///    open only when all units have answered.
/// 2. An append is acknowledged after the last unit has it. So the tail of the last unit is above every append that was
///    acknowledged before the check began.
/// 3. Every unit holds everything below the tail of the last unit. So no later check and no seal finds a lower tail.
fn conclude(answers: &[Option<LocalTail>]) -> Option<Tail> {
    if answers.iter().flatten().any(|tail| tail.sealed) {
        return answers.iter().flatten().map(|tail| tail.tail).max().map(Tail::Sealed);
    }
    let all_have_answered = answers.iter().all(Option::is_some);
    answers.last().copied().flatten().filter(|_| all_have_answered).map(|last| Tail::Open(last.tail))
}

impl UnitChain {
    /// Asks all units. Asks a unit again if its answer is lost or if it is overloaded, until [`TAIL_PATIENCE`] is over.
    /// As soon as this process knows that the chain of loglets has ended this one, returns that end without the units'
    /// answers.
    pub(super) async fn find_tail(&self) -> Result<Tail, LogletError> {
        tokio::select! {
            biased;
            end = self.has_ended() => Ok(Tail::Sealed(end.unwrap_or(Offset::ZERO))),
            tail = self.ask_for_tail() => tail,
            () = self.copies.clock.sleep(TAIL_PATIENCE) => Err(self.copies.unavailable("answer a tail check", &[])),
        }
    }

    async fn ask_for_tail(&self) -> Result<Tail, LogletError> {
        let ask = async |unit: usize| (unit, self.tail_of(unit).await);
        let mut asked: FuturesUnordered<_> = (0..self.units().len()).map(ask).collect();
        let mut answers = vec![None; self.units().len()];
        while let Some((unit, answer)) = asked.next().await {
            answers[unit] = Some(answer.map_err(|e| self.copies.unavailable("answer a tail check", &[e]))?);
            if let Some(tail) = conclude(&answers) {
                if let Tail::Open(tail) = tail {
                    self.learn(tail);
                }
                return Ok(tail);
            }
        }
        unreachable!("the answers of all units are enough")
    }

    async fn tail_of(&self, unit: usize) -> Result<LocalTail, UnitError> {
        let mut rest = Rest::new(&*self.copies.clock);
        loop {
            match self.units()[unit].tail(self.id).await {
                Err(UnitError::Unanswered | UnitError::Overloaded) => rest.pause().await,
                answer => return answer,
            }
        }
    }

    /// As [`Self::find_tail`], but from memory. `None` unless all units are in this process and answer.
    pub(super) fn find_tail_now(&self) -> Option<Tail> {
        let answers: Option<Vec<_>> = self.units().iter().map(|unit| unit.tail_now(self.id)?.ok()).map(Some).collect();
        conclude(&answers?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(tail: u64) -> Option<LocalTail> {
        Some(LocalTail { tail: Offset(tail), known_tail: Offset(0), sealed: false, trim_point: Offset::ZERO })
    }

    fn sealed(tail: u64) -> Option<LocalTail> {
        at(tail).map(|tail| LocalTail { sealed: true, ..tail })
    }

    #[test]
    fn rule_6_an_open_tail_is_that_of_the_last_unit_and_needs_all_answers() {
        assert_eq!(conclude(&[at(9), at(8), at(6)]), Some(Tail::Open(Offset(6))));
        assert_eq!(conclude(&[at(9), None, at(6)]), None, "the unit that is silent may be sealed");
        assert_eq!(conclude(&[at(9), at(8), None]), None);
        assert_eq!(conclude(&[at(4)]), Some(Tail::Open(Offset(4))));
    }

    #[test]
    fn rule_1_one_seal_bit_is_enough_to_call_the_tail_sealed() {
        assert_eq!(conclude(&[at(9), sealed(8), at(6)]), Some(Tail::Sealed(Offset(9))));
        assert_eq!(conclude(&[None, None, sealed(6)]), Some(Tail::Sealed(Offset(6))));
    }
}

//! The native loglet, client side (Delos, OSDI'20, section 4.2.1, with the erratum of 2025): appends through the one
//! sequencer, tail checks, seals and reads straight at the storage units.

mod quorums;

use std::ops::Range;
use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use naxos_proto::chain::{LogletKind, LogletParams};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{
    AppendError, Cell, CellState, LocalTail, Refusal, Sequencer, SequencerDirectory, Shape, StorageUnit, UnitDirectory,
    UnitError, UnitParams,
};
use naxos_proto::ids::{LogletId, Offset};
use naxos_proto::tail::Tail;

use self::quorums::Quorums;
use crate::loglet::{Liveness, Loglet, LogletError, LogletProvider};

struct NativeLoglet {
    params: LogletParams,
    /// `None` when the sequencer of that incarnation is not known to live: reads and seals still work.
    sequencer: Option<Arc<dyn Sequencer>>,
    units: Vec<Arc<dyn StorageUnit>>,
}

/// Why a unit's answer is no entry.
fn unreadable(at: Offset, cell: Option<&CellState>) -> UnitError {
    let why = match cell {
        Some(CellState::Corrupt) => "is damaged: expected a record whose checksum holds; the unit's log names its file",
        _ => "was never written there",
    };
    UnitError::Read(format!("offset {at} {why}"))
}

impl NativeLoglet {
    fn quorums(&self) -> Quorums {
        Quorums::new(self.params.units.len(), self.params.write_quorum.into())
    }

    fn unavailable(&self, what: &str, errors: &[UnitError]) -> LogletError {
        let why = errors.first().map_or_else(|| "no unit answers".to_owned(), ToString::to_string);
        LogletError::Unavailable(format!("too few storage units of loglet {} {what}: {why}", self.params.id))
    }

    /// Concludes a tail check from the units' answers; `None` when they do not suffice.
    ///
    /// Each unit read its seal bit after its tail, so the loglet is only called open if no seal came before the tail. One
    /// answer with the seal bit is enough to call it sealed. The highest tail that was seen has to be durable on a write
    /// quorum before it is answered, or a later check could see less.
    fn conclude(&self, tails: &[LocalTail]) -> Option<Result<Tail, LogletError>> {
        let quorums = self.quorums();
        if tails.len() < quorums.seal() {
            return None;
        }
        let highest = tails.iter().map(|t| t.tail).max().expect("a quorum has a unit");
        if tails.iter().any(|t| t.sealed) {
            return Some(Ok(Tail::Sealed(highest)));
        }
        if tails.len() < quorums.tail() {
            return None;
        }
        let durable = tails.iter().filter(|t| t.tail >= highest).count() >= quorums.write();
        let known = tails.iter().any(|t| t.known_tail >= highest);
        (durable || known).then_some(Ok(Tail::Open(highest)))
    }
}

impl Loglet for NativeLoglet {
    fn params(&self) -> &LogletParams {
        &self.params
    }

    fn append(&self, batch: Vec<Cell>, done: Completion<Result<Offset, AppendError>>) {
        match &self.sequencer {
            Some(s) => s.append(self.params.id, self.params.sequencer, batch, done),
            None => done.complete(Err(Refusal::NoSequencer(self.params.sequencer).into())),
        }
    }

    fn check_tail(&self) -> BoxFuture<'_, Result<Tail, LogletError>> {
        Box::pin(async {
            let answers = join_all(self.units.iter().map(|u| u.tail(self.params.id))).await;
            let (tails, errors): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
            let tails: Vec<LocalTail> = tails.into_iter().flatten().collect();
            let errors: Vec<UnitError> = errors.into_iter().filter_map(Result::err).collect();
            self.conclude(&tails).unwrap_or_else(|| Err(self.unavailable("answer a tail check", &errors)))
        })
    }

    fn check_tail_now(&self) -> Option<Tail> {
        let mut tails = Vec::with_capacity(self.units.len());
        for unit in &self.units {
            tails.push(unit.tail_now(self.params.id)?.ok()?);
        }
        self.conclude(&tails)?.ok()
    }

    fn read(&self, range: Range<Offset>, max_bytes: usize) -> BoxFuture<'_, Result<Vec<CellState>, LogletError>> {
        Box::pin(async move {
            let mut errors = Vec::new();
            for unit in &self.units {
                match unit.read(self.params.id, range.clone(), max_bytes).await {
                    Ok(cells) if !matches!(cells.first(), None | Some(CellState::Absent | CellState::Corrupt)) => {
                        let usable = |c: &CellState| !matches!(c, CellState::Absent | CellState::Corrupt);
                        return Ok(cells.into_iter().take_while(usable).collect());
                    }
                    Ok(cells) => errors.push(unreadable(range.start, cells.first())),
                    Err(e) => errors.push(e),
                }
            }
            Err(self.unavailable(&format!("can read offset {}", range.start), &errors))
        })
    }

    fn seal(&self) -> BoxFuture<'_, Result<Offset, LogletError>> {
        Box::pin(async {
            let answers = join_all(self.units.iter().map(|u| u.seal(self.params.id))).await;
            let mut tails = Vec::new();
            let mut errors = Vec::new();
            for answer in answers {
                match answer {
                    Ok(t) => tails.push(t.tail),
                    Err(e) => errors.push(e),
                }
            }
            if tails.len() < self.quorums().seal() {
                return Err(self.unavailable("take a seal", &errors));
            }
            let lowest = *tails.iter().min().expect("a quorum has a unit");
            let highest = *tails.iter().max().expect("a quorum has a unit");
            if lowest != highest {
                return Err(LogletError::NeedsRepair(self.params.id, lowest, highest));
            }
            Ok(highest)
        })
    }

    fn trim(&self, up_to: Offset) -> BoxFuture<'_, Result<(), LogletError>> {
        Box::pin(async move {
            let answers = join_all(self.units.iter().map(|u| u.trim(self.params.id, up_to))).await;
            let errors: Vec<UnitError> = answers.into_iter().filter_map(Result::err).collect();
            if errors.is_empty() { Ok(()) } else { Err(self.unavailable("trim", &errors)) }
        })
    }

    fn discard(&self) -> BoxFuture<'_, Result<(), LogletError>> {
        Box::pin(async {
            let answers = join_all(self.units.iter().map(|u| u.drop_loglet(self.params.id))).await;
            let errors: Vec<UnitError> = answers.into_iter().filter_map(Result::err).collect();
            if errors.is_empty() { Ok(()) } else { Err(self.unavailable("drop it", &errors)) }
        })
    }
}

/// Opens and proposes native loglets.
pub struct NativeProvider {
    sequencers: Arc<dyn SequencerDirectory>,
    units: Arc<dyn UnitDirectory>,
}

impl NativeProvider {
    /// Finds peers in these directories.
    pub fn new(sequencers: Arc<dyn SequencerDirectory>, units: Arc<dyn UnitDirectory>) -> Self {
        Self { sequencers, units }
    }

    fn units_of(&self, params: &LogletParams) -> Result<Vec<Arc<dyn StorageUnit>>, LogletError> {
        let find = |id| {
            self.units.unit(id).ok_or_else(|| {
                LogletError::Unavailable(format!(
                    "loglet {} needs storage unit {:016x}, which is not known here",
                    params.id, id.0
                ))
            })
        };
        params.units.iter().map(|u| find(*u)).collect()
    }
}

impl LogletProvider for NativeProvider {
    fn kind(&self) -> LogletKind {
        LogletKind::Native
    }

    fn open(&self, params: &LogletParams) -> Result<Arc<dyn Loglet>, LogletError> {
        let sequencer = self.sequencers.sequencer(params.sequencer);
        Ok(Arc::new(NativeLoglet { params: params.clone(), sequencer, units: self.units_of(params)? }))
    }

    fn prepare<'a>(&'a self, params: &'a LogletParams) -> BoxFuture<'a, Result<(), LogletError>> {
        Box::pin(async move {
            let on_unit = UnitParams { shape: Shape::Contiguous, incarnation: params.sequencer };
            let units = self.units_of(params)?;
            for opened in join_all(units.iter().map(|u| u.open(params.id, on_unit))).await {
                opened.map_err(|e| LogletError::Unavailable(e.to_string()))?;
            }
            Ok(())
        })
    }

    fn serve<'a>(&'a self, params: &'a LogletParams) -> BoxFuture<'a, Result<(), LogletError>> {
        Box::pin(async move {
            match self.sequencers.sequencer(params.sequencer) {
                Some(sequencer) => sequencer.serve(params).await.map_err(|e| LogletError::NotServed(params.id, e)),
                // It may have died meanwhile, or be another node's: appends say so, and a reconfiguration follows.
                None => Ok(()),
            }
        })
    }

    fn raise_floor<'a>(&'a self, gone: &'a LogletParams, ordinal: u64) -> BoxFuture<'a, Result<(), LogletError>> {
        Box::pin(async move {
            let units = self.units_of(gone)?;
            for raised in join_all(units.iter().map(|u| u.raise_floor(gone.id.log, ordinal))).await {
                raised.map_err(|e| LogletError::Unavailable(e.to_string()))?;
            }
            Ok(())
        })
    }

    fn propose(&self, id: LogletId, alive: &Liveness) -> Result<LogletParams, LogletError> {
        let Some(sequencer) = alive.sequencers.first().copied() else {
            return Err(LogletError::Unavailable("no sequencer is alive".to_owned()));
        };
        if alive.units.is_empty() {
            return Err(LogletError::Unavailable("no storage unit is alive".to_owned()));
        }
        let majority = u16::try_from(alive.units.len() / 2 + 1).expect("a cluster has few units");
        Ok(LogletParams { id, kind: LogletKind::Native, sequencer, units: alive.units.clone(), write_quorum: majority })
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::{Incarnation, StorageId};

    use super::*;

    /// A loglet of so many units, of which an append is on `write_quorum`.
    fn loglet(units: u64, write_quorum: u16) -> NativeLoglet {
        let units = (1..=units).map(StorageId).collect();
        let (id, sequencer) = (LogletId::default(), Incarnation::default());
        let params = LogletParams { id, kind: LogletKind::Native, sequencer, units, write_quorum };
        NativeLoglet { params, sequencer: None, units: Vec::new() }
    }

    fn at(tail: u64, known_tail: u64) -> LocalTail {
        LocalTail { tail: Offset(tail), known_tail: Offset(known_tail), sealed: false, trim_point: Offset::ZERO }
    }

    fn sealed(tail: u64) -> LocalTail {
        LocalTail { sealed: true, ..at(tail, 0) }
    }

    #[test]
    fn rule_1_one_seal_bit_is_enough_to_call_the_tail_sealed() {
        let three = loglet(3, 2);
        assert_eq!(three.conclude(&[at(7, 7), at(7, 7), at(7, 7)]), Some(Ok(Tail::Open(Offset(7)))));
        assert_eq!(three.conclude(&[at(7, 7), at(7, 7), sealed(5)]), Some(Ok(Tail::Sealed(Offset(7)))));
        assert_eq!(loglet(1, 1).conclude(&[sealed(5)]), Some(Ok(Tail::Sealed(Offset(5)))));
    }

    #[test]
    fn rule_3_a_tail_check_that_a_seal_may_have_missed_concludes_nothing() {
        // Two of four units are sealed, which seals the loglet. The other two do not know.
        let four = loglet(4, 3);
        assert_eq!(four.conclude(&[at(7, 7), at(7, 7)]), None);
        assert_eq!(four.conclude(&[at(7, 7), at(7, 7), at(7, 7)]), Some(Ok(Tail::Open(Offset(7)))));
        assert_eq!(four.conclude(&[at(7, 7), sealed(7)]), Some(Ok(Tail::Sealed(Offset(7)))));
        assert_eq!(loglet(2, 2).conclude(&[at(7, 7)]), None, "the other unit alone may have been sealed");
    }

    #[test]
    fn rule_6_a_tail_is_answered_once_no_later_check_can_see_less() {
        let three = loglet(3, 2);
        assert_eq!(three.conclude(&[at(7, 7)]), None, "one of three is no quorum");
        assert_eq!(three.conclude(&[at(7, 3), at(5, 3)]), None, "7 is on one unit, as far as one can see");
        assert_eq!(
            three.conclude(&[at(7, 3), at(5, 7)]),
            Some(Ok(Tail::Open(Offset(7)))),
            "somebody knows it is on two"
        );
        assert_eq!(three.conclude(&[at(7, 3), at(7, 3)]), Some(Ok(Tail::Open(Offset(7)))));
    }
}

//! Placing an append. The append gets an offset from the sequencer, and its cells are stored on the first unit of the
//! chain. If another process has filled the offset meanwhile, the append gets another offset.

use bytes::Bytes;
use naxos_proto::contracts::{AppendError, Cell, CellOutcome, CellState, Refusal, Stored, UnitError};
use naxos_proto::ids::{Offset, StreamId};
use naxos_proto::streams::{StreamHeader, StreamTails};

use super::pass::Content;
use super::rest::Rest;
use super::unit_chain::UnitChain;
use crate::loglet::LogletError;
use crate::loglets::stream_tails::stream_tails;

/// How often a read that fails is repeated, to find out what became of an append.
const READS_MAX: u32 = 8;

/// An append whose cells the first unit holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) at: Offset,
    /// The index of the unit that gets the cells next. It is 1 if the first unit has answered that it holds the cells,
    /// and that it was not sealed then. It is 0 if the first unit holds the cells, but this answer is still missing.
    pub(super) from: usize,
}

/// What a unit's answer says about the cells of an append at its offset.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Says {
    /// The cells were written by this very store.
    Ours,
    /// None of the cells is there, and none will ever be.
    NotThere,
    /// The cell before the first one is missing.
    Gap,
    /// The offset holds something, and only a read can tell what.
    Look,
    /// The unit does not have the loglet. It takes no cells, and has forgotten those that it may have taken before.
    Gone,
    /// The unit refuses the cells and always will.
    Refused(UnitError),
    /// The unit takes nothing until its process is started again. It is not known what it took last.
    Broken(UnitError),
    /// Another attempt is needed.
    Again,
}

impl Says {
    fn of(result: Result<Stored, UnitError>) -> Says {
        use CellOutcome::{Gap, Sealed, Written};
        match result {
            Ok(stored) if stored.cells.iter().all(|cell| *cell == Written) => Says::Ours,
            Ok(stored) if stored.cells.iter().all(|cell| *cell == Sealed) => Says::NotThere,
            Ok(stored) if stored.cells.first() == Some(&Gap) => Says::Gap,
            // `Same` is also the answer for a trimmed offset, which may have held junk. `Different` is also the answer
            // for a damaged cell, which may be ours.
            Ok(_) => Says::Look,
            Err(e @ (UnitError::Invalid(_) | UnitError::WrongIncarnation { .. })) => Says::Refused(e),
            Err(UnitError::NotOpen(_) | UnitError::Dropped(_)) => Says::Gone,
            Err(e @ (UnitError::Poisoned(_) | UnitError::Stopped)) => Says::Broken(e),
            Err(_) => Says::Again,
        }
    }
}

/// To whom the cells of a range of offsets belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    /// Each offset holds junk or the cell of another append.
    Others,
    /// Some offset holds nothing yet, and none holds ours.
    Nobodys,
    /// It cannot be found out, or some cells are ours and others are not.
    Unclear,
}

/// Compares what a unit holds with an append's cells.
fn whose(held: &[CellState], batch: &[Cell]) -> Whose {
    let is_ours = |(held, cell): (&CellState, &Cell)| *held == CellState::Present(cell.payload.clone());
    let ours = held.iter().zip(batch).filter(|pair| is_ours(*pair)).count();
    let is_hidden = |cell: &CellState| matches!(cell, CellState::Trimmed | CellState::Corrupt);
    match ours {
        _ if held.len() < batch.len() || held.iter().any(is_hidden) => Whose::Unclear,
        ours if ours == batch.len() => Whose::Ours,
        0 if held.contains(&CellState::Absent) => Whose::Nobodys,
        0 => Whose::Others,
        _ => Whose::Unclear,
    }
}

/// The header of each cell of a batch, empty for a cell that is in no stream. `None` if no cell is in a stream.
fn headers_of(batch: &[Cell]) -> Option<Vec<Bytes>> {
    let header = |cell: &Cell| if cell.in_streams { StreamHeader::part_of(&cell.payload) } else { Bytes::new() };
    batch.iter().any(|cell| cell.in_streams).then(|| batch.iter().map(header).collect())
}

/// Puts headers with their pointers in the place of those that [`headers_of`] returned.
fn put_headers(batch: &mut [Cell], headers: &[Bytes]) {
    for (cell, header) in batch.iter_mut().zip(headers) {
        cell.payload = StreamHeader::replaced(std::mem::take(&mut cell.payload), header);
    }
}

/// What became of an append at one offset.
enum Put {
    Placed(Placed),
    /// The offset belongs to somebody else.
    Taken,
    Failed(AppendError),
}

fn unclear(why: &str) -> AppendError {
    AppendError::Unknown(why.to_owned())
}

impl UnitChain {
    /// Gives an append an offset and puts it on the first unit. If this fails, the error is the outcome of the append. Cells
    /// in streams get the pointers that go with their offset.
    pub(super) async fn place(&self, batch: &mut [Cell]) -> Result<Placed, AppendError> {
        loop {
            let at = tokio::select! {
                biased;
                // Nothing was stored yet. If the sequencer has given out an offset, that offset stays a hole.
                _ = self.has_ended() => return Err(AppendError::Sealed),
                granted = self.token(batch) => granted?,
            };
            let put = tokio::select! {
                biased;
                put = self.put_first(at, batch) => put,
                end = self.has_ended() => Put::Failed(self.find_out(at, batch, end).await),
            };
            match put {
                Put::Placed(placed) => return Ok(placed),
                Put::Taken => {
                    tracing::debug!(loglet = %self.id, offset = at.0, "an append was too late for its offset")
                }
                Put::Failed(outcome) => return Err(outcome),
            }
        }
    }

    /// Gets offsets for the cells from the sequencer. If the answer is lost, asks again: nobody uses the offsets of the lost
    /// answer.
    async fn token(&self, batch: &mut [Cell]) -> Result<Offset, AppendError> {
        let count = u32::try_from(batch.len()).expect("a batch is small");
        let mut rest = Rest::new(&*self.copies.clock);
        loop {
            let Some(sequencer) = self.sequencers.sequencer(self.owner) else {
                return Err(Refusal::NoSequencer(self.owner).into());
            };
            let granted = match headers_of(batch) {
                None => sequencer.grant(self.id, self.owner, count).await,
                Some(headers) => {
                    let granted = sequencer.grant_in_streams(self.id, self.owner, headers).await;
                    granted.map(|(at, headers)| {
                        put_headers(batch, &headers);
                        at
                    })
                }
            };
            match granted {
                Err(AppendError::Unknown(_)) => rest.pause().await,
                outcome => return outcome,
            }
        }
    }

    /// Where the newest entries of these streams are.
    pub(super) async fn stream_tails(&self, streams: &[StreamId]) -> Result<StreamTails, LogletError> {
        stream_tails(self.sequencers.sequencer(self.owner).as_ref(), self.owner, self.id, streams).await
    }

    /// Puts the cells on the first unit. Repeats this until it is certain what the offset holds.
    async fn put_first(&self, at: Offset, batch: &[Cell]) -> Put {
        let content = Content::Cells(batch.to_vec());
        let (mut rest, mut is_first) = (Rest::new(&*self.copies.clock), true);
        loop {
            let stored = self.put(0, at, &content).await;
            let acknowledges = stored.as_ref().is_ok_and(Stored::acknowledges);
            let placed = Put::Placed(Placed { at, from: acknowledges.into() });
            match Says::of(stored) {
                Says::Ours => return placed,
                Says::NotThere => return Put::Failed(AppendError::Sealed),
                Says::Gone if is_first => return Put::Failed(AppendError::Sealed),
                Says::Gone => return Put::Failed(unclear("the first unit does not have the loglet any more")),
                // If the only unit is broken, no other loglet can be begun either.
                Says::Broken(error) if self.units().len() == 1 => return Put::Failed(unclear(&error.to_string())),
                Says::Refused(error) => return Put::Failed(AppendError::Refused(error.into())),
                Says::Look => match self.look(at, batch).await {
                    Some(Whose::Ours) => return placed,
                    Some(Whose::Others) => return Put::Taken,
                    Some(Whose::Unclear) => {
                        let why = "its offsets are trimmed or damaged, or only some of them hold its cells";
                        return Put::Failed(unclear(why));
                    }
                    Some(Whose::Nobodys) | None => rest.pause().await,
                },
                // A chain of one unit: the first unit is also the last, and takes no gap.
                Says::Gap => {
                    if self.wait_below(at).await.is_err() {
                        rest.pause().await;
                    }
                }
                Says::Again | Says::Broken(_) => rest.pause().await,
            }
            is_first = false;
        }
    }

    /// Reads the cells at `at` on the first unit. Returns to whom they belong, or `None` if the unit does not answer.
    async fn look(&self, at: Offset, batch: &[Cell]) -> Option<Whose> {
        let (mut held, end) = (Vec::new(), at.plus(batch.len() as u64));
        while held.len() < batch.len() {
            let from = at.plus(held.len() as u64);
            let cells = self.first().read(self.id, from..end, usize::MAX).await.ok()?;
            if cells.is_empty() {
                break;
            }
            held.extend(cells);
        }
        Some(whose(&held, batch))
    }

    /// Finds out what became of an append whose store the first unit has not answered. Called after the chain of loglets
    /// has ended this one at `end`. Every unit that took part in the seal has every cell below the end.
    async fn find_out(&self, at: Offset, batch: &[Cell], end: Option<Offset>) -> AppendError {
        let Some(end) = end else { return unclear("the segment has left the chain") };
        if at >= end {
            // No reader will ever see it, even if it arrives at a unit.
            return AppendError::Sealed;
        }
        let (below, mut held) = (at.plus(batch.len() as u64), Vec::new());
        let (mut rest, mut attempts) = (Rest::new(&*self.copies.clock), 0);
        while below <= end && held.len() < batch.len() {
            match self.copies.read_cells(at.plus(held.len() as u64)..below, usize::MAX).await {
                Ok(cells) => held.extend(cells),
                Err(_) if attempts < READS_MAX => {
                    attempts += 1;
                    rest.pause().await;
                }
                Err(error) => return unclear(&error.to_string()),
            }
        }
        match whose(&held, batch) {
            Whose::Ours => AppendError::Undecided { at },
            Whose::Others => AppendError::Sealed,
            Whose::Nobodys | Whose::Unclear => {
                unclear("the segment ended within the batch, or the offsets of the batch are trimmed or damaged")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::LogletId;

    use super::*;

    fn cell(text: &'static str) -> Cell {
        Cell::new(text.into())
    }

    fn present(text: &'static str) -> CellState {
        CellState::Present(text.into())
    }

    fn answered(cells: &[CellOutcome], sealed: bool) -> Says {
        Says::of(Ok(Stored { cells: cells.to_vec(), sealed }))
    }

    #[test]
    fn an_offset_is_ours_only_if_the_unit_wrote_it_now_or_a_look_shows_our_cells() {
        use CellOutcome::{Different, Gap, Same, Sealed, Written};
        assert_eq!(answered(&[Written, Written], false), Says::Ours);
        assert_eq!(answered(&[Same], false), Says::Look, "the offset may be trimmed, and may have held junk");
        assert_eq!(answered(&[Different], false), Says::Look, "the cell may be ours and damaged");
        assert_eq!(answered(&[Same, Written], false), Says::Look);
        assert_eq!(answered(&[Same], true), Says::Look, "it may be ours, from an attempt before the seal");
        assert_eq!(answered(&[Sealed, Sealed], true), Says::NotThere);
        assert_eq!(answered(&[Sealed, Same], true), Says::Look);
        assert_eq!(answered(&[Gap, Gap], false), Says::Gap);
        assert_eq!(Says::of(Err(UnitError::Unanswered)), Says::Again);
        assert_eq!(Says::of(Err(UnitError::Dropped(LogletId::default()))), Says::Gone);
        assert_eq!(Says::of(Err(UnitError::Stopped)), Says::Broken(UnitError::Stopped));
        assert_eq!(Says::of(Err(UnitError::Invalid("no cells"))), Says::Refused(UnitError::Invalid("no cells")));
    }

    #[test]
    fn rule_10_what_cannot_be_told_is_unknown() {
        let batch = [cell("a"), cell("b")];
        let (ours, junk, absent) = ([present("a"), present("b")], CellState::Junk, CellState::Absent);
        assert_eq!(whose(&ours, &batch), Whose::Ours);
        assert_eq!(whose(&[junk.clone(), junk.clone()], &batch), Whose::Others);
        assert_eq!(whose(&[junk.clone(), present("x")], &batch), Whose::Others);
        assert_eq!(whose(&[junk.clone(), absent], &batch), Whose::Nobodys);
        for hidden in [CellState::Trimmed, CellState::Corrupt] {
            assert_eq!(whose(&[present("a"), hidden], &batch), Whose::Unclear);
        }
        assert_eq!(whose(&[present("a"), junk], &batch), Whose::Unclear, "one of two");
        assert_eq!(whose(&[present("a")], &batch), Whose::Unclear, "the read was cut off");
    }
}

//! Cells, their states, and the outcomes of stores. Payloads are handed over without a copy.

use super::{Garbage, Wire};
use crate::contracts::{Cell, CellOutcome, CellState, Stored};
use crate::peer::generated as wire;

/// The messages of cells.
pub(in crate::peer) fn cells_to_wire(cells: Vec<Cell>) -> Vec<wire::Cell> {
    let cell = |Cell { payload, commands, in_streams }| wire::Cell { payload, commands, in_streams };
    cells.into_iter().map(cell).collect()
}

/// The cells of messages.
pub(in crate::peer) fn cells_from_wire(cells: Vec<wire::Cell>) -> Vec<Cell> {
    let cell = |wire::Cell { payload, commands, in_streams }| Cell { payload, commands, in_streams };
    cells.into_iter().map(cell).collect()
}

/// The messages of states.
pub(in crate::peer) fn states_to_wire(states: Vec<CellState>) -> Vec<wire::CellState> {
    states.into_iter().map(CellState::to_wire).collect()
}

/// The states of messages.
pub(in crate::peer) fn states_from_wire(states: Vec<wire::CellState>) -> Result<Vec<CellState>, Garbage> {
    states.into_iter().map(CellState::from_wire).collect()
}

impl Wire for CellState {
    type Message = wire::CellState;

    fn to_wire(self) -> wire::CellState {
        use wire::cell_state::State;
        let state = match self {
            CellState::Present(payload) => State::Present(payload),
            CellState::Junk => State::Junk(wire::Nothing {}),
            CellState::Trimmed => State::Trimmed(wire::Nothing {}),
            CellState::Absent => State::Absent(wire::Nothing {}),
            CellState::Corrupt => State::Corrupt(wire::Nothing {}),
        };
        wire::CellState { state: Some(state) }
    }

    fn from_wire(m: wire::CellState) -> Result<Self, Garbage> {
        use wire::cell_state::State;
        Ok(match m.state.ok_or(Garbage("the state of a cell"))? {
            State::Present(payload) => CellState::Present(payload),
            State::Junk(_) => CellState::Junk,
            State::Trimmed(_) => CellState::Trimmed,
            State::Absent(_) => CellState::Absent,
            State::Corrupt(_) => CellState::Corrupt,
        })
    }
}

impl Wire for CellOutcome {
    /// The number of a `wire::CellOutcome`, as prost stores it.
    type Message = i32;

    fn to_wire(self) -> i32 {
        let outcome = match self {
            CellOutcome::Written => wire::CellOutcome::Written,
            CellOutcome::Same => wire::CellOutcome::Same,
            CellOutcome::Different => wire::CellOutcome::Different,
            CellOutcome::Sealed => wire::CellOutcome::Sealed,
            CellOutcome::Gap => wire::CellOutcome::Gap,
        };
        outcome.into()
    }

    fn from_wire(m: i32) -> Result<Self, Garbage> {
        let unknown = Garbage("the outcome of a cell");
        Ok(match wire::CellOutcome::try_from(m).map_err(|_| unknown)? {
            wire::CellOutcome::Unspecified => return Err(unknown),
            wire::CellOutcome::Written => CellOutcome::Written,
            wire::CellOutcome::Same => CellOutcome::Same,
            wire::CellOutcome::Different => CellOutcome::Different,
            wire::CellOutcome::Sealed => CellOutcome::Sealed,
            wire::CellOutcome::Gap => CellOutcome::Gap,
        })
    }
}

impl Wire for Stored {
    type Message = wire::Stored;

    fn to_wire(self) -> wire::Stored {
        wire::Stored { cells: self.cells.into_iter().map(CellOutcome::to_wire).collect(), sealed: self.sealed }
    }

    fn from_wire(m: wire::Stored) -> Result<Self, Garbage> {
        let cells = m.cells.into_iter().map(CellOutcome::from_wire).collect::<Result<_, _>>()?;
        Ok(Stored { cells, sealed: m.sealed })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn every_state_and_outcome_survives_the_wire() {
        let states = vec![
            CellState::Present(Bytes::from_static(b"x")),
            CellState::Present(Bytes::new()),
            CellState::Junk,
            CellState::Trimmed,
            CellState::Absent,
            CellState::Corrupt,
        ];
        assert_eq!(states_from_wire(states_to_wire(states.clone())), Ok(states));
        use CellOutcome::{Different, Gap, Same, Sealed, Written};
        for sealed in [false, true] {
            let stored = Stored { cells: vec![Written, Same, Different, Sealed, Gap], sealed };
            assert_eq!(Stored::from_wire(stored.clone().to_wire()), Ok(stored));
        }
        let cells = vec![Cell { payload: Bytes::from_static(b"y"), commands: 7, in_streams: true }];
        assert_eq!(cells_from_wire(cells_to_wire(cells.clone())), cells);
    }

    #[test]
    fn an_unknown_state_or_outcome_is_refused() {
        assert!(CellState::from_wire(wire::CellState { state: None }).is_err());
        for number in [0, 6, -1] {
            assert!(CellOutcome::from_wire(number).is_err(), "{number}");
        }
    }
}

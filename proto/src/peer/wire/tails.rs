//! Tails of a unit and of a sequencer, and the conditions that are waited for.

use super::{Garbage, Wire};
use crate::contracts::{LocalTail, TailReaches, UnitError};
use crate::ids::Offset;
use crate::peer::generated as wire;
use crate::tail::Tail;

impl Wire for LocalTail {
    type Message = wire::LocalTail;

    fn to_wire(self) -> wire::LocalTail {
        let LocalTail { tail, known_tail, sealed, trim_point } = self;
        wire::LocalTail { tail: tail.0, known_tail: known_tail.0, sealed, trim_point: trim_point.0 }
    }

    fn from_wire(m: wire::LocalTail) -> Result<Self, Garbage> {
        let (tail, known_tail, trim_point) = (Offset(m.tail), Offset(m.known_tail), Offset(m.trim_point));
        Ok(LocalTail { tail, known_tail, sealed: m.sealed, trim_point })
    }
}

/// `None` is a beat: the unit is alive, and its tail has not changed.
impl Wire for Option<Result<LocalTail, UnitError>> {
    type Message = wire::ToldTail;

    fn to_wire(self) -> wire::ToldTail {
        use wire::told_tail::Told;
        let told = match self {
            None => Told::Beat(wire::Nothing {}),
            Some(Err(error)) => Told::Error(error.to_wire()),
            Some(Ok(tail)) => Told::Tail(tail.to_wire()),
        };
        wire::ToldTail { told: Some(told), synced: None }
    }

    fn from_wire(m: wire::ToldTail) -> Result<Self, Garbage> {
        use wire::told_tail::Told;
        Ok(match m.told.ok_or(Garbage("a told tail"))? {
            Told::Beat(_) => None,
            Told::Error(error) => Some(Err(UnitError::from_wire(error)?)),
            Told::Tail(tail) => Some(Ok(LocalTail::from_wire(tail)?)),
        })
    }
}

impl Wire for TailReaches {
    type Message = wire::wait_tail_request::Until;

    fn to_wire(self) -> Self::Message {
        match self {
            TailReaches::Local(offset) => wire::wait_tail_request::Until::Local(offset.0),
            TailReaches::Known(offset) => wire::wait_tail_request::Until::Known(offset.0),
        }
    }

    fn from_wire(m: Self::Message) -> Result<Self, Garbage> {
        Ok(match m {
            wire::wait_tail_request::Until::Local(offset) => TailReaches::Local(Offset(offset)),
            wire::wait_tail_request::Until::Known(offset) => TailReaches::Known(Offset(offset)),
        })
    }
}

/// `None` stands for a loglet that the sequencer does not serve.
impl Wire for Option<Tail> {
    type Message = wire::SequencerTail;

    fn to_wire(self) -> wire::SequencerTail {
        let tail = match self {
            None => wire::sequencer_tail::Tail::NotServed(wire::Nothing {}),
            Some(Tail::Open(offset)) => wire::sequencer_tail::Tail::Open(offset.0),
            Some(Tail::Sealed(offset)) => wire::sequencer_tail::Tail::Sealed(offset.0),
        };
        wire::SequencerTail { tail: Some(tail) }
    }

    fn from_wire(m: wire::SequencerTail) -> Result<Self, Garbage> {
        Ok(match m.tail.ok_or(Garbage("the tail of a sequencer"))? {
            wire::sequencer_tail::Tail::NotServed(_) => None,
            wire::sequencer_tail::Tail::Open(offset) => Some(Tail::Open(Offset(offset))),
            wire::sequencer_tail::Tail::Sealed(offset) => Some(Tail::Sealed(Offset(offset))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tail_survives_the_wire() {
        for sealed in [false, true] {
            let tail = LocalTail { tail: Offset(4), known_tail: Offset(3), sealed, trim_point: Offset(2) };
            assert_eq!(LocalTail::from_wire(tail.to_wire()), Ok(tail));
            for told in [None, Some(Ok(tail)), Some(Err(UnitError::Stopped))] {
                assert_eq!(<Option<Result<LocalTail, UnitError>>>::from_wire(told.clone().to_wire()), Ok(told));
            }
        }
        assert!(<Option<Result<LocalTail, UnitError>>>::from_wire(wire::ToldTail::default()).is_err());
        for until in [TailReaches::Local(Offset(0)), TailReaches::Known(Offset(7))] {
            assert_eq!(TailReaches::from_wire(until.to_wire()), Ok(until));
        }
        for tail in [None, Some(Tail::Open(Offset(0))), Some(Tail::Sealed(Offset(0)))] {
            assert_eq!(<Option<Tail>>::from_wire(tail.to_wire()), Ok(tail));
        }
        assert!(<Option<Tail>>::from_wire(wire::SequencerTail { tail: None }).is_err());
    }
}

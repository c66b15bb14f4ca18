//! Tails of a unit and of a sequencer, and the conditions that are waited for.

use super::{Garbage, Wire};
use crate::contracts::{LocalTail, TailReaches};
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
        }
        for until in [TailReaches::Local(Offset(0)), TailReaches::Known(Offset(7))] {
            assert_eq!(TailReaches::from_wire(until.to_wire()), Ok(until));
        }
        for tail in [None, Some(Tail::Open(Offset(0))), Some(Tail::Sealed(Offset(0)))] {
            assert_eq!(Option::from_wire(tail.to_wire()), Ok(tail));
        }
        assert!(<Option<Tail>>::from_wire(wire::SequencerTail { tail: None }).is_err());
    }
}

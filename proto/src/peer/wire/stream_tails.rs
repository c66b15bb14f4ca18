//! [`StreamTails`].

use super::{Garbage, Wire};
use crate::ids::Lsn;
use crate::peer::generated as wire;
use crate::streams::{BACK_POINTERS_MAX, BackPointers, StreamTails};

impl Wire for StreamTails {
    type Message = wire::StreamTails;

    fn to_wire(self) -> wire::StreamTails {
        wire::StreamTails { below: self.below.0, words: self.tails.iter().flat_map(BackPointers::words).collect() }
    }

    fn from_wire(m: wire::StreamTails) -> Result<Self, Garbage> {
        let garbage = Garbage("the newest entries of a stream");
        let (tails, left) = m.words.as_chunks::<BACK_POINTERS_MAX>();
        if !left.is_empty() {
            return Err(garbage);
        }
        let tails = tails.iter().map(|words| BackPointers::of_words(*words).map_err(|_| garbage));
        Ok(Self { below: Lsn(m.below), tails: tails.collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::streams::Earlier;

    #[test]
    fn the_newest_entries_of_streams_survive_the_wire() {
        let known = BackPointers { positions: smallvec![Lsn(8), Lsn(3)], earlier: Earlier::Nothing };
        let tails = StreamTails { below: Lsn(9), tails: vec![known, BackPointers::below(Lsn(5))] };
        assert_eq!(StreamTails::from_wire(tails.clone().to_wire()), Ok(tails.clone()));
        let mut cut = tails.to_wire();
        cut.words.pop();
        assert!(StreamTails::from_wire(cut).is_err());
    }
}

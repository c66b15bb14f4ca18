//! [`BackPointers`]: where the newest entries of a stream below some position are.

use bytes::{BufMut, BytesMut};
use smallvec::SmallVec;

use crate::codec::{DecodeError, Reader};
use crate::ids::Lsn;

/// A header has at most this many positions for each stream: the K of Tango. With more, a reader needs fewer reads to
/// find all entries of a stream, and each cell is larger.
pub const BACK_POINTERS_MAX: usize = 4;

/// The word for [`Earlier::Nothing`].
const NOTHING: u64 = u64::MAX;
/// The bit that tells a word for [`Earlier::Below`] from a position.
const BELOW: u64 = 1 << 63;

/// What is known of the entries before the oldest position of [`BackPointers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// There are none.
    Nothing,
    /// All of them are below this position. Where is not known.
    Below(Lsn),
}

/// Where the newest entries of a stream below some position are. A position may hold junk or an entry of other streams,
/// because an append may fail after its position was given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackPointers {
    /// The newest positions that were given out to the stream, at most [`BACK_POINTERS_MAX`], the newest one first.
    pub positions: SmallVec<[Lsn; BACK_POINTERS_MAX]>,
    /// What is known of the entries before them.
    pub earlier: Earlier,
}

impl BackPointers {
    /// How many bytes [`Self::encode`] writes.
    pub(super) const BYTES: usize = 8 * BACK_POINTERS_MAX;

    /// Of a stream of which nothing is known, except that its entries are below `position`.
    pub fn below(position: Lsn) -> Self {
        Self { positions: SmallVec::new(), earlier: Earlier::Below(position) }
    }

    /// The words of the format, always the same number of them: the positions, and after them, if there is room, what
    /// is known of the entries before them.
    pub fn words(&self) -> [u64; BACK_POINTERS_MAX] {
        let mut words = [NOTHING; BACK_POINTERS_MAX];
        for (word, position) in words.iter_mut().zip(&self.positions) {
            *word = position.0;
        }
        if let (Some(word), Earlier::Below(position)) = (words.get_mut(self.positions.len()), self.earlier) {
            *word = BELOW | position.0;
        }
        words
    }

    /// The pointers of words that [`Self::words`] returned. If they are all positions, then earlier entries are below the
    /// oldest of them.
    ///
    /// # Errors
    /// If the positions do not descend, or are followed by words that have no meaning.
    pub fn of_words(words: [u64; BACK_POINTERS_MAX]) -> Result<Self, &'static str> {
        let positions: SmallVec<_> = words.into_iter().take_while(|word| word & BELOW == 0).map(Lsn).collect();
        if !positions.is_sorted_by(|newer, older| newer > older) {
            return Err("must have its positions in descending order");
        }
        let mut left = words.into_iter().skip(positions.len());
        let earlier = match (left.next(), positions.last()) {
            (None, Some(oldest)) => Earlier::Below(*oldest),
            (None, None) | (Some(NOTHING), _) => Earlier::Nothing,
            (Some(word), _) => Earlier::Below(Lsn(word & !BELOW)),
        };
        if left.any(|word| word != NOTHING) {
            return Err("must have nothing after its last position");
        }
        Ok(Self { positions, earlier })
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        self.words().into_iter().for_each(|word| out.put_u64_le(word));
    }

    pub(super) fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        let mut words = [0; BACK_POINTERS_MAX];
        for word in &mut words {
            *word = r.u64()?;
        }
        Self::of_words(words).map_err(|rule| r.rule(rule))
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;

    #[test]
    fn pointers_survive_their_words() {
        let lsn = |n| Lsn(n);
        for (positions, earlier) in [
            (smallvec![], Earlier::Nothing),
            (smallvec![], Earlier::Below(lsn(0))),
            (smallvec![lsn(7), lsn(0)], Earlier::Nothing),
            (smallvec![lsn(7), lsn(5)], Earlier::Below(lsn(5))),
            (smallvec![lsn(9), lsn(7), lsn(5), lsn(1)], Earlier::Below(lsn(1))),
        ] {
            let pointers = BackPointers { positions, earlier };
            assert_eq!(BackPointers::of_words(pointers.words()), Ok(pointers));
        }
    }

    #[test]
    fn words_without_a_meaning_are_refused() {
        assert!(BackPointers::of_words([3, 3, NOTHING, NOTHING]).is_err(), "not descending");
        assert!(BackPointers::of_words([3, NOTHING, 2, NOTHING]).is_err(), "a position after the end");
        assert!(BackPointers::of_words([3, BELOW | 2, BELOW | 1, NOTHING]).is_err(), "two ends");
    }
}

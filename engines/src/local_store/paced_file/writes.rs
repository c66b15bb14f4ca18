//! Writes that have not reached their file. A later write replaces the bytes of earlier writes that it covers.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The written bytes, in pieces. The key of a piece is its position in the file. Pieces never overlap and are never
/// empty.
#[derive(Debug, Default)]
pub(crate) struct Writes(BTreeMap<u64, Vec<u8>>);

fn end_of(at: u64, data: &[u8]) -> u64 {
    at + data.len() as u64
}

/// The distance of `position` from `base`.
fn offset(position: u64, base: u64) -> usize {
    usize::try_from(position - base).expect("within a buffer")
}

impl Writes {
    /// Adds a write, which replaces the parts of earlier ones that it covers.
    pub(crate) fn add(&mut self, at: u64, data: &[u8]) {
        let end = end_of(at, data);
        while let Some((begin, mut earlier)) = self.pop_before(end) {
            let earlier_end = end_of(begin, &earlier);
            if earlier_end > end {
                self.push(end, earlier.split_off(offset(end, begin)));
            }
            if begin < at {
                earlier.truncate(offset(at.min(earlier_end), begin));
                self.push(begin, earlier);
                break;
            }
        }
        self.push(at, data.to_vec());
    }

    /// Takes out the last piece that begins before `end`.
    fn pop_before(&mut self, end: u64) -> Option<(u64, Vec<u8>)> {
        let at = *self.0.range(..end).next_back()?.0;
        self.0.remove_entry(&at)
    }

    fn push(&mut self, at: u64, piece: Vec<u8>) {
        if !piece.is_empty() {
            self.0.insert(at, piece);
        }
    }

    /// Total number of bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// The position after the last byte.
    pub(crate) fn end(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(at, piece)| end_of(*at, piece))
    }

    /// Copies the written bytes over `out`, which begins at byte `at` of the file.
    pub(crate) fn overlay(&self, at: u64, out: &mut [u8]) {
        let below = end_of(at, out);
        for (&begin, piece) in self.0.range(..below).rev() {
            let (from, to) = (at.max(begin), below.min(end_of(begin, piece)));
            if from >= to {
                break;
            }
            out[offset(from, at)..offset(to, at)].copy_from_slice(&piece[offset(from, begin)..offset(to, begin)]);
        }
    }

    /// The position and the bytes of the first piece, joined with the pieces that follow it without a gap, at most
    /// `max` bytes in all. If the first piece alone is longer, it is returned whole.
    pub(crate) fn first_run(&self, max: usize) -> Option<(u64, Cow<'_, [u8]>)> {
        let mut pieces = self.0.iter();
        let (&at, first) = pieces.next()?;
        let mut run = Cow::Borrowed(&first[..]);
        for (&next, piece) in pieces {
            if next != end_of(at, &run) || run.len() + piece.len() > max {
                break;
            }
            run.to_mut().extend_from_slice(piece);
        }
        Some((at, run))
    }

    /// Forgets the pieces that begin before `end`.
    pub(crate) fn forget_before(&mut self, end: u64) {
        while let Some(first) = self.0.first_entry().filter(|first| *first.key() < end) {
            first.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The writes must have the same effect as on a file, both when they are overlaid and when the runs are
        /// written one by one.
        #[test]
        fn what_is_left_is_what_a_file_would_have(
            made in prop::collection::vec((0_u64..60, prop::collection::vec(1_u8.., 0..20)), 1..20),
            max in 1_usize..40,
            (at, len) in (0_u64..90, 0_usize..30),
        ) {
            let (mut writes, mut file) = (Writes::default(), vec![0; 80]);
            for (at, data) in &made {
                writes.add(*at, data);
                file[*at as usize..][..data.len()].copy_from_slice(data);
            }
            let written = file.iter().filter(|byte| **byte != 0).count();
            prop_assert_eq!(writes.bytes(), written);
            prop_assert_eq!(writes.end() as usize, file.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
            let mut out = vec![0; len];
            writes.overlay(at, &mut out);
            let expected: Vec<u8> = (0..len).map(|i| file.get(at as usize + i).copied().unwrap_or(0)).collect();
            prop_assert_eq!(out, expected);
            let mut released = vec![0; 80];
            while let Some((at, run)) = writes.first_run(max) {
                let end = at + run.len() as u64;
                released[at as usize..end as usize].copy_from_slice(&run);
                writes.forget_before(end);
            }
            prop_assert_eq!(released, file);
            prop_assert_eq!(writes.bytes(), 0);
        }
    }

    #[test]
    fn neighbours_make_one_run_up_to_the_given_length() {
        let mut writes = Writes::default();
        for (at, byte) in [(12, 4), (4, 2), (0, 1), (8, 3), (20, 5)] {
            writes.add(at, &[byte; 4]);
        }
        assert_eq!(writes.first_run(12), Some((0, Cow::Owned(vec![1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]))));
        assert_eq!(writes.first_run(3), Some((0, Cow::Borrowed(&[1; 4][..]))));
        writes.forget_before(12);
        assert_eq!(writes.first_run(12), Some((12, Cow::Borrowed(&[4; 4][..]))));
    }
}

//! [`Index`]: where a loglet's cells lie on disk.

use std::collections::VecDeque;
use std::ops::Range;

use naxos_proto::ids::Offset;

use crate::journal::SegmentNumber;

/// What a record at a [`Place`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlaceKind {
    /// A cell.
    Cell,
    /// Junk: no body to read.
    Junk,
    /// A cell or junk whose record is damaged.
    Corrupt,
    /// A cell whose record was found damaged by a read. Perhaps only that read went wrong, so the next one tries again.
    Suspect,
}

/// Where one record lies. There is one per cell, so it is kept to 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: SegmentNumber,
    /// Byte position in the segment: of the record's header, or of its batch if the kind is [`PlaceKind::Corrupt`].
    pub(crate) at: u32,
    /// Length of the record's body.
    pub(crate) body_len: u32,
    pub(crate) kind: PlaceKind,
}

#[derive(Clone, Debug)]
struct Run {
    first: u64,
    places: VecDeque<Place>,
}

impl Run {
    fn end(&self) -> u64 {
        self.first + self.places.len() as u64
    }
}

/// The places of one loglet's cells, as runs of consecutive offsets. A contiguous loglet usually has a single run. It
/// has more if this unit skipped cells that a write quorum of other units holds.
///
/// Invariant: runs are ascending, not empty, and there is a gap between any two.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    runs: VecDeque<Run>,
}

impl Index {
    /// Notes that offset `at` lies at `place`. Returns the place that it had before, if any.
    pub(crate) fn insert(&mut self, at: Offset, place: Place) -> Option<Place> {
        let at = at.0;
        let after = self.runs.partition_point(|r| r.first <= at);
        if let Some(run) = after.checked_sub(1).map(|i| &mut self.runs[i]) {
            if at < run.end() {
                let slot = usize::try_from(at - run.first).expect("a run fits memory");
                return Some(std::mem::replace(&mut run.places[slot], place));
            }
            if at == run.end() {
                run.places.push_back(place);
                self.join(after - 1);
                return None;
            }
        }
        match self.runs.get_mut(after) {
            Some(run) if run.first == at + 1 => {
                run.first = at;
                run.places.push_front(place);
            }
            _ => self.runs.insert(after, Run { first: at, places: VecDeque::from([place]) }),
        }
        None
    }

    /// Joins run `i` with the next one if there is no gap between them.
    fn join(&mut self, i: usize) {
        if self.runs.get(i + 1).is_some_and(|next| next.first == self.runs[i].end()) {
            let mut next = self.runs.remove(i + 1).expect("it was just there");
            self.runs[i].places.append(&mut next.places);
        }
    }

    /// The place of the cell at offset `at`.
    pub(crate) fn get(&self, at: Offset) -> Option<Place> {
        let after = self.runs.partition_point(|r| r.first <= at.0);
        let run = &self.runs[after.checked_sub(1)?];
        run.places.get(usize::try_from(at.0 - run.first).ok()?).copied()
    }

    /// The offsets of `range` whose records are not damaged, as ascending ranges that do not touch; at most
    /// `ranges_max` ranges.
    pub(crate) fn readable(&self, range: Range<Offset>, ranges_max: usize) -> Vec<Range<Offset>> {
        let mut found: Vec<Range<Offset>> = Vec::new();
        let runs = self.runs.iter().skip(self.runs.partition_point(|r| r.end() <= range.start.0));
        for run in runs.take_while(|r| r.first < range.end.0) {
            let from = range.start.0.max(run.first);
            for n in from..range.end.0.min(run.end()) {
                let slot = usize::try_from(n - run.first).expect("a run fits memory");
                if matches!(run.places[slot].kind, PlaceKind::Corrupt | PlaceKind::Suspect) {
                    continue;
                }
                let full = found.len() == ranges_max;
                match found.last_mut() {
                    Some(last) if last.end.0 == n => last.end = last.end.next(),
                    _ if full => return found,
                    _ => found.push(Offset(n)..Offset(n + 1)),
                }
            }
        }
        found
    }

    /// Removes everything below `up_to` and passes each removed place to `freed`.
    pub(crate) fn trim(&mut self, up_to: Offset, mut freed: impl FnMut(Place)) {
        while let Some(run) = self.runs.front_mut() {
            while run.first < up_to.0
                && let Some(place) = run.places.pop_front()
            {
                run.first += 1;
                freed(place);
            }
            if !run.places.is_empty() {
                return;
            }
            self.runs.pop_front();
        }
    }

    /// All offsets with their places, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Offset, Place)> {
        self.runs.iter().flat_map(|r| r.places.iter().enumerate().map(|(i, p)| (Offset(r.first + i as u64), *p)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn place(at: u32) -> Place {
        Place { segment: SegmentNumber(1), at, body_len: 0, kind: PlaceKind::Cell }
    }

    #[test]
    fn damaged_cells_and_gaps_are_not_readable() {
        let mut index = Index::default();
        for n in [1, 2, 3, 5, 6, 9] {
            index.insert(Offset(n), place(0));
        }
        index.insert(Offset(6), Place { kind: PlaceKind::Corrupt, ..place(0) });
        let readable = |from, to, max| {
            let ranges = index.readable(Offset(from)..Offset(to), max);
            ranges.into_iter().map(|r| (r.start.0, r.end.0)).collect::<Vec<_>>()
        };
        assert_eq!(readable(0, 20, 9), [(1, 4), (5, 6), (9, 10)]);
        assert_eq!(readable(2, 9, 9), [(2, 4), (5, 6)]);
        assert_eq!(readable(0, 20, 2), [(1, 4), (5, 6)], "the caller goes on from the end of the last one");
        assert_eq!(readable(6, 9, 9), []);
    }

    proptest! {
        #[test]
        fn it_answers_as_a_plain_map_does(steps in prop::collection::vec((0_u64..40, 0_u8..8), 0..80)) {
            let mut index = Index::default();
            let mut plain = BTreeMap::new();
            for (n, (at, what)) in steps.into_iter().enumerate() {
                if what == 0 {
                    let mut freed = 0;
                    index.trim(Offset(at), |_| freed += 1);
                    let kept = plain.split_off(&at);
                    prop_assert_eq!(freed, plain.len());
                    plain = kept;
                } else {
                    let place = place(u32::try_from(n).unwrap());
                    prop_assert_eq!(index.insert(Offset(at), place), plain.insert(at, place));
                }
                let all: Vec<_> = index.iter().map(|(at, p)| (at.0, p)).collect();
                prop_assert_eq!(&all, &plain.iter().map(|(at, p)| (*at, *p)).collect::<Vec<_>>());
                for at in 0..41 {
                    prop_assert_eq!(index.get(Offset(at)), plain.get(&at).copied());
                }
            }
        }
    }
}

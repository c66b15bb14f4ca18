//! [`StreamTable`]: where the newest entries of each stream of a loglet are (Tango, SOSP'13, section 5). Nothing here takes
//! a lock or calls another node.
//!
//! The table knows the newest positions of each stream that got an entry in this loglet, until it has more streams than
//! it may have. It does not know earlier loglets. The entries of a stream that it does not know are below
//! [`StreamTable::known_from`].
//!
//! If a loglet has only one unit, that unit may refuse batches, and their offsets are given out again. Then the table
//! takes back what it noted for them ([`StreamTable::take_back`]). The positions below the known tail are never taken back.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use naxos_proto::contracts::{Cell, Refusal};
use naxos_proto::ids::{LogletId, Lsn, Offset, StreamId};
use naxos_proto::streams::{BACK_POINTERS_MAX, BackPointers, Earlier, StreamHeader, StreamTails, Unchanged};
use smallvec::SmallVec;

/// The newest positions of a stream, the newest one first.
type Newest = SmallVec<[Lsn; BACK_POINTERS_MAX]>;

/// See the module.
pub(crate) struct StreamTable {
    /// The position of the loglet's first cell.
    start: Lsn,
    /// Where the entries of a stream that is in neither map are: nowhere, or below a position. Never falls.
    known_from: Earlier,
    /// The streams that got an entry lately.
    young: BTreeMap<StreamId, Newest>,
    /// The streams that were in `young` when it was last full and got no entry since. They are forgotten when `young`
    /// is full again.
    old: BTreeMap<StreamId, Newest>,
    /// All entries in `old` are below this position.
    old_below: Lsn,
    /// At most this many streams are in each map.
    map_max: usize,
    /// The positions that may be taken back, ascending.
    revocable: VecDeque<Revocable>,
}

/// A position that may be taken back.
struct Revocable {
    position: Lsn,
    stream: StreamId,
    /// The position that left the list of the stream for this one.
    dropped: Option<Lsn>,
}

/// At most this many streams are in each map of a table. Together they take about 100 MB.
const MAP_MAX: usize = 1 << 19;

impl StreamTable {
    /// The table of a loglet whose first cell has position `start`.
    pub(crate) fn new(loglet: LogletId, start: Lsn) -> Self {
        Self::with_max(loglet, start, MAP_MAX)
    }

    fn with_max(loglet: LogletId, start: Lsn, map_max: usize) -> Self {
        // After a recovery or a restore the first loglet begins at a higher position. A reader that asks for what was below
        // has to be told that it is gone.
        let is_whole = loglet.ordinal == 1 && start == Lsn::ZERO;
        let known_from = if is_whole { Earlier::Nothing } else { Earlier::Below(start) };
        Self { known_from, map_max, ..Self::empty(start) }
    }

    fn empty(start: Lsn) -> Self {
        let (young, old, revocable) = Default::default();
        let known_from = Earlier::Below(start);
        Self { start, known_from, young, old, old_below: start, map_max: MAP_MAX, revocable }
    }

    /// Why a batch must not be appended at offset `next`; `None` if it may be.
    pub(crate) fn refusal(&self, batch: &[Cell], next: Offset) -> Option<Refusal> {
        batch.iter().filter(|cell| cell.in_streams).find_map(|cell| self.refusal_of(&cell.payload, next))
    }

    /// As [`Self::refusal`], for one cell. Its body may be left out.
    pub(crate) fn refusal_of(&self, cell: &Bytes, next: Offset) -> Option<Refusal> {
        match StreamHeader::decode(cell.clone()) {
            Err(error) => Some(Refusal::Unsupported(error.to_string())),
            Ok((header, _)) => {
                let unchanged = header.condition?;
                (!self.holds(unchanged, next)).then_some(Refusal::StreamChanged(unchanged))
            }
        }
    }

    fn holds(&self, unchanged: Unchanged, next: Offset) -> bool {
        let next = self.start.plus(next.0);
        if unchanged.since > next {
            // Nobody can know entries that do not exist yet. Such a condition would hold even after an entry at `next`.
            return false;
        }
        match (self.newest(unchanged.stream).and_then(|newest| newest.first()), self.known_from) {
            (Some(newest), _) => *newest < unchanged.since,
            (None, Earlier::Nothing) => true,
            (None, Earlier::Below(position)) => position.min(next) <= unchanged.since,
        }
    }

    /// The offset after the newest entry of the stream that a refused condition names, if it is known.
    pub(crate) fn end_of_refused(&self, refusal: &Refusal) -> Option<Offset> {
        let Refusal::StreamChanged(unchanged) = refusal else { return None };
        let newest = self.newest(unchanged.stream)?.first()?;
        Some(Offset(newest.distance_from(self.start)).next())
    }

    /// Writes the pointers into the cells of a batch that gets the offsets from `at` on. [`Self::refusal`] has accepted
    /// the batch.
    pub(crate) fn fill(&mut self, batch: &mut [Cell], at: Offset) {
        for (cell, nth) in batch.iter_mut().zip(0..).filter(|(cell, _)| cell.in_streams) {
            cell.payload = self.filled(std::mem::take(&mut cell.payload), at.plus(nth));
        }
    }

    /// Writes the pointers into one cell, which gets offset `at`.
    pub(crate) fn filled(&mut self, cell: Bytes, at: Offset) -> Bytes {
        let position = self.start.plus(at.0);
        StreamHeader::filled(cell, |stream| self.grant(stream, position)).expect("it was decoded before it was granted")
    }

    /// Notes that `position` was given out to an entry of `stream`. Returns where the earlier entries are.
    fn grant(&mut self, stream: StreamId, position: Lsn) -> BackPointers {
        let mut newest = match self.young.remove(&stream) {
            Some(newest) => newest,
            None => self.old.remove(&stream).unwrap_or_default(),
        };
        let pointers = self.pointers(newest.clone(), position);
        let dropped = if newest.len() == BACK_POINTERS_MAX { newest.pop() } else { None };
        newest.insert(0, position);
        if self.young.len() >= self.map_max {
            self.forget_old(position);
        }
        self.young.insert(stream, newest);
        self.revocable.push_back(Revocable { position, stream, dropped });
        pointers
    }

    /// Notes that the positions below offset `known_tail` are never given out again.
    pub(crate) fn settled(&mut self, known_tail: Offset) {
        let below = self.start.plus(known_tail.0);
        while self.revocable.front().is_some_and(|granted| granted.position < below) {
            self.revocable.pop_front();
        }
    }

    /// Takes back the positions from offset `next` on, because they will be given out again.
    pub(crate) fn take_back(&mut self, next: Offset) {
        let next = self.start.plus(next.0);
        while let Some(Revocable { position, stream, dropped }) = self.revocable.pop_back_if(|r| r.position >= next) {
            // A stream that was forgotten in between has nothing to take back.
            for map in [&mut self.young, &mut self.old] {
                let Some(newest) = map.get_mut(&stream) else { continue };
                newest.retain(|known| *known != position);
                newest.extend(dropped);
                if newest.is_empty() {
                    map.remove(&stream);
                }
            }
        }
    }

    /// Forgets all streams, because nothing is given out any more and the room is needed elsewhere.
    pub(crate) fn forget_all(&mut self) {
        *self = Self { known_from: Earlier::Below(Lsn(u64::MAX)), ..Self::empty(self.start) };
    }

    /// Makes room: forgets the streams that got no entry for the longest time.
    fn forget_old(&mut self, now: Lsn) {
        if !self.old.is_empty() {
            let known_from = match self.known_from {
                Earlier::Below(position) => position.max(self.old_below),
                Earlier::Nothing => self.old_below,
            };
            self.known_from = Earlier::Below(known_from);
        }
        self.old = std::mem::take(&mut self.young);
        self.old_below = now;
    }

    /// Where the entries of these streams below offset `next` are. No position below it is taken back later.
    pub(crate) fn tails(&self, streams: &[StreamId], next: Offset) -> StreamTails {
        let below = self.start.plus(next.0);
        let tail = |stream: &StreamId| {
            let newest = self.newest(*stream).cloned().unwrap_or_default();
            let is_full = newest.len() == BACK_POINTERS_MAX;
            let kept: Newest = newest.into_iter().filter(|position| *position < below).collect();
            // A full list may have lost older positions, so there may be entries below the oldest one that was kept.
            match kept.last() {
                oldest if is_full && kept.len() < BACK_POINTERS_MAX => {
                    let earlier = Earlier::Below(oldest.copied().unwrap_or(below));
                    BackPointers { positions: kept, earlier }
                }
                _ => self.pointers(kept, below),
            }
        };
        StreamTails { below, tails: streams.iter().map(tail).collect() }
    }

    fn newest(&self, stream: StreamId) -> Option<&Newest> {
        self.young.get(&stream).or_else(|| self.old.get(&stream))
    }

    /// The pointers of a stream whose newest positions below `below` are these.
    fn pointers(&self, positions: Newest, below: Lsn) -> BackPointers {
        let oldest = positions.last().copied().unwrap_or(below);
        let earlier = match self.known_from {
            _ if positions.len() == BACK_POINTERS_MAX => Earlier::Below(oldest),
            Earlier::Below(known_from) => Earlier::Below(known_from.min(oldest)),
            Earlier::Nothing => Earlier::Nothing,
        };
        BackPointers { positions, earlier }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::TestCaseError;

    use super::*;

    const A: StreamId = StreamId(1);
    const B: StreamId = StreamId(2);

    fn table(ordinal: u64, start: u64, map_max: usize) -> StreamTable {
        StreamTable::with_max(LogletId { ordinal, ..LogletId::default() }, Lsn(start), map_max)
    }

    fn pointers(positions: &[u64], earlier: Earlier) -> BackPointers {
        BackPointers { positions: positions.iter().copied().map(Lsn).collect(), earlier }
    }

    #[test]
    fn each_entry_points_at_the_ones_before_it() {
        let mut first = table(1, 0, 10);
        assert_eq!(first.grant(A, Lsn(0)), pointers(&[], Earlier::Nothing));
        for (at, before) in [(1, &[0][..]), (2, &[1, 0]), (5, &[2, 1, 0])] {
            assert_eq!(first.grant(A, Lsn(at)), pointers(before, Earlier::Nothing));
        }
        assert_eq!(first.grant(A, Lsn(6)), pointers(&[5, 2, 1, 0], Earlier::Below(Lsn(0))));
        assert_eq!(first.grant(A, Lsn(9)), pointers(&[6, 5, 2, 1], Earlier::Below(Lsn(1))));
        assert_eq!(first.grant(B, Lsn(10)), pointers(&[], Earlier::Nothing));
        let later = table(2, 100, 10).grant(A, Lsn(103));
        assert_eq!(later, pointers(&[], Earlier::Below(Lsn(100))), "earlier loglets are not known");
    }

    #[test]
    fn a_position_that_is_given_out_again_is_not_pointed_at() {
        let mut table = table(1, 0, 10);
        table.grant(A, Lsn(3));
        table.grant(A, Lsn(7));
        table.grant(B, Lsn(8));
        table.settled(Offset(4));
        // The only unit refused positions 7 and 8.
        table.take_back(Offset(4));
        assert_eq!(table.grant(A, Lsn(4)), pointers(&[3], Earlier::Nothing));
        let tails = table.tails(&[A, B], Offset(5)).tails;
        assert_eq!(tails, [pointers(&[4, 3], Earlier::Nothing), pointers(&[], Earlier::Nothing)]);
        // A list that was full gets back what it had lost.
        (5..9).for_each(|at| drop(table.grant(A, Lsn(at))));
        let tails = table.tails(&[A], Offset(5)).tails;
        assert_eq!(tails, [pointers(&[], Earlier::Below(Lsn(5)))], "which entries there are below 5 is not known now");
        table.take_back(Offset(5));
        assert_eq!(table.tails(&[A], Offset(5)).tails, [pointers(&[4, 3], Earlier::Nothing)]);
    }

    #[test]
    fn a_condition_holds_only_if_it_is_known_to() {
        let mut table = table(2, 100, 1);
        let holds =
            |table: &StreamTable, stream, since| table.holds(Unchanged { stream, since: Lsn(since) }, Offset(9));
        assert!(!holds(&table, A, 99), "an entry at 99 would be in an earlier loglet");
        assert!(holds(&table, A, 100));
        table.grant(A, Lsn(101));
        assert!(!holds(&table, A, 101) && holds(&table, A, 102));
        table.grant(B, Lsn(102));
        assert!(!holds(&table, A, 101), "it is old now, but still known");
        table.grant(StreamId(3), Lsn(103));
        assert!(!holds(&table, A, 101) && holds(&table, A, 102), "it is forgotten, but was below 102");
        assert!(holds(&table, A, 109) && !holds(&table, A, 110), "position 109 was not given out yet");
    }

    #[test]
    fn a_cell_without_a_header_is_refused() {
        let cell = Cell { in_streams: true, ..Cell::new(Bytes::from_static(b"x")) };
        assert!(matches!(table(1, 0, 1).refusal(&[cell], Offset(0)), Some(Refusal::Unsupported(_))));
        let cell = Cell::new(Bytes::from_static(b"x"));
        assert_eq!(table(1, 0, 1).refusal(&[cell], Offset(0)), None, "it is in no stream");
    }

    proptest! {
        /// Whatever the table forgets and takes back: no pointer skips an entry, and no condition holds wrongly.
        #[test]
        fn nothing_is_skipped(
            steps in prop::collection::vec((0_u64..6, prop::option::weighted(0.2, 1_u64..9)), 1..80),
            map_max in 1_usize..4,
        ) {
            let mut table = table(3, 100, map_max);
            let mut entries: Vec<StreamId> = vec![];
            let mut settled = 0;
            for (stream, back) in steps {
                let (stream, at) = (StreamId(stream), Lsn(100 + entries.len() as u64));
                let positions = |entries: &[StreamId], below: u64| -> Vec<Lsn> {
                    let found = entries.iter().zip(100..).filter(|(id, lsn)| **id == stream && *lsn < below);
                    let mut found: Vec<_> = found.map(|(_, lsn)| Lsn(lsn)).collect();
                    found.reverse();
                    found
                };
                for since in 100..=at.0 {
                    let is_changed = positions(&entries, u64::MAX).iter().any(|lsn| *lsn >= Lsn(since));
                    let holds = table.holds(Unchanged { stream, since: Lsn(since) }, Offset(at.0 - 100));
                    prop_assert!(!(holds && is_changed));
                }
                prop_assert!(table.holds(Unchanged { stream, since: at }, Offset(at.0 - 100)), "the caller knows all");
                for below in settled..=at.0 - 100 {
                    let tails = table.tails(&[stream], Offset(below)).tails;
                    misses_nothing(&tails[0], &positions(&entries, 100 + below), Lsn(100 + below))?;
                }
                let pointers = table.grant(stream, at);
                misses_nothing(&pointers, &positions(&entries, u64::MAX), at)?;
                entries.push(stream);
                if let Some(back) = back {
                    // Everything is settled up to some position, and the rest is taken back.
                    settled = settled.max(entries.len().saturating_sub(back as usize) as u64);
                    table.settled(Offset(settled));
                    table.take_back(Offset(settled));
                    entries.truncate(settled as usize);
                }
            }
        }
    }

    /// Checks that each entry of `before`, newest first, is at one of the positions or below the limit.
    fn misses_nothing(pointers: &BackPointers, before: &[Lsn], below: Lsn) -> Result<(), TestCaseError> {
        let BackPointers { positions, earlier } = pointers;
        prop_assert_eq!(&before[..positions.len()], &positions[..]);
        let Earlier::Below(limit) = *earlier else { panic!("earlier loglets may have entries") };
        prop_assert!(before.get(positions.len()).is_none_or(|lsn| *lsn < limit) && limit <= below);
        Ok(())
    }

    #[test]
    fn the_cells_of_a_batch_point_at_each_other() {
        let mut table = table(1, 10, 10);
        let cell = || Cell { in_streams: true, ..Cell::new(StreamHeader::blank(&[A], None, b"x")) };
        let mut batch = [cell(), Cell::new(Bytes::from_static(b"plain")), cell()];
        assert_eq!(table.refusal(&batch, Offset(4)), None);
        table.fill(&mut batch, Offset(4));
        assert_eq!(batch[1].payload, "plain");
        let [first, .., last] = batch.map(|cell| StreamHeader::decode(cell.payload).map(|(header, _)| header));
        assert_eq!(first.unwrap().of(A), Some(&pointers(&[], Earlier::Below(Lsn(10)))));
        assert_eq!(last.unwrap().of(A), Some(&pointers(&[14], Earlier::Below(Lsn(10)))));
    }
}

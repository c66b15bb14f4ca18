//! [`Recent`]: the last cells of a loglet, in memory.

use std::collections::VecDeque;

use bytes::Bytes;
use naxos_proto::contracts::CellState;
use naxos_proto::ids::Offset;

/// Consecutive cells up to the last one written. A gap empties the cache.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    first: Offset,
    /// `None` stands for junk.
    cells: VecDeque<Option<Bytes>>,
    bytes: usize,
}

/// How many bytes each cached cell counts for, in addition to its payload.
pub(crate) const CACHED_CELL_BYTES: usize = 40;

fn cost(cell: &Option<Bytes>) -> usize {
    CACHED_CELL_BYTES + cell.as_ref().map_or(0, Bytes::len)
}

impl Recent {
    /// Adds the cell that was written at `at`.
    pub(crate) fn push(&mut self, at: Offset, cell: Option<Bytes>) {
        let end = self.first.plus(self.cells.len() as u64);
        if at < end {
            // The cell fills an older gap or replaces a damaged cell. Readers will find it on disk.
            return;
        }
        if at > end {
            self.clear();
        }
        if self.cells.is_empty() {
            self.first = at;
        }
        self.bytes += cost(&cell);
        self.cells.push_back(cell);
    }

    /// The cached cell at `at`.
    pub(crate) fn get(&self, at: Offset) -> Option<CellState> {
        let slot = at.0.checked_sub(self.first.0)?;
        let cell = self.cells.get(usize::try_from(slot).ok()?)?;
        Some(cell.clone().map_or(CellState::Junk, CellState::Present))
    }

    /// Bytes that the cached cells take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Removes the cells below `up_to`.
    pub(crate) fn trim(&mut self, up_to: Offset) {
        while self.first < up_to && self.pop() {}
    }

    /// Removes the oldest cells until the cached cells take at most `bytes` bytes.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        while self.bytes > bytes && self.pop() {}
    }

    fn pop(&mut self) -> bool {
        let Some(cell) = self.cells.pop_front() else { return false };
        self.bytes -= cost(&cell);
        self.first = self.first.next();
        true
    }

    fn clear(&mut self) {
        self.cells.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &'static str) -> Option<Bytes> {
        Some(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn it_holds_the_last_consecutive_cells() {
        let mut recent = Recent::default();
        recent.push(Offset(5), cell("five"));
        recent.push(Offset(6), None);
        assert_eq!(recent.get(Offset(5)), Some(CellState::Present("five".into())));
        assert_eq!(recent.get(Offset(6)), Some(CellState::Junk));
        assert_eq!((recent.get(Offset(4)), recent.get(Offset(7))), (None, None));
        recent.push(Offset(2), cell("late"));
        assert_eq!(recent.get(Offset(2)), None);
        recent.push(Offset(9), cell("nine"));
        assert_eq!(recent.get(Offset(5)), None);
        assert_eq!(recent.get(Offset(9)), Some(CellState::Present("nine".into())));
        recent.shrink(0);
        assert_eq!((recent.get(Offset(9)), recent.bytes()), (None, 0));
        recent.push(Offset(10), cell("ten"));
        assert_eq!(recent.get(Offset(10)), Some(CellState::Present("ten".into())));
        recent.trim(Offset(11));
        assert_eq!(recent.bytes(), 0);
    }
}

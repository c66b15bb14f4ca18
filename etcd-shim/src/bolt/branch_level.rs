//! [`BranchLevel`]: the branches of one height in a tree that is being made.

use super::layout::{ELEMENT_BYTES, HEADER_BYTES, PAGE_BYTES};
use super::new_pages::Child;

/// A branch is full only when it has at least this many pages below it, even if their keys need more than one page. The
/// last branch of a level may have fewer. If it has only one, the branch before it gives it another, and keeps at least
/// two, because bbolt panics when it changes a tree in which a branch has one page below it.
const CHILDREN_MIN: usize = 3;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct BranchLevel {
    /// The last branch that is full. It is not made yet, because the branch after it may need one of its pages.
    full: Vec<Child>,
    open: Vec<Child>,
    open_bytes: usize,
}

impl BranchLevel {
    /// Adds a page. Returns the pages below a branch that can be made now.
    pub(super) fn add(&mut self, child: Child) -> Option<Vec<Child>> {
        let bytes = ELEMENT_BYTES + child.key.len();
        let mut ready = None;
        if self.open.len() >= CHILDREN_MIN && HEADER_BYTES + self.open_bytes + bytes > PAGE_BYTES {
            let full = std::mem::replace(&mut self.full, std::mem::take(&mut self.open));
            ready = Some(full).filter(|full| !full.is_empty());
            self.open_bytes = 0;
        }
        self.open.push(child);
        self.open_bytes += bytes;
        ready
    }

    /// The pages below the last one or two branches of the level.
    pub(super) fn finish(mut self) -> Vec<Vec<Child>> {
        if self.full.is_empty() {
            return vec![self.open];
        }
        if self.open.len() == 1
            && let Some(child) = self.full.pop()
        {
            self.open.insert(0, child);
        }
        vec![self.full, self.open]
    }
}

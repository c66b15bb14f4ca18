//! [`Tree`]: a tree that is being made from items in ascending order. It holds the last leaf, and at most the last two
//! branches of each level. All leaves and branches before them are pages already.

use bytes::Bytes;

use super::branch_level::BranchLevel;
use super::layout::{ELEMENT_BYTES, HEADER_BYTES, PAGE_BYTES};
use super::new_pages::{Child, NewItem, NewPages};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tree {
    leaf: Vec<NewItem>,
    leaf_bytes: usize,
    /// The lowest level comes first.
    branches: Vec<BranchLevel>,
}

impl Tree {
    /// The last key that was added, unless there is none.
    pub(super) fn last_key(&self) -> Option<&Bytes> {
        self.leaf.last().map(|item| &item.key)
    }

    /// Adds an item.
    pub(super) fn add(&mut self, pages: &mut NewPages, item: NewItem) {
        let bytes = ELEMENT_BYTES + item.key.len() + item.value.len();
        if !self.leaf.is_empty() && HEADER_BYTES + self.leaf_bytes + bytes > PAGE_BYTES {
            let child = self.make_leaf(pages);
            self.add_child(pages, 0, child);
        }
        self.leaf.push(item);
        self.leaf_bytes += bytes;
    }

    /// Makes the last pages. Returns the root page.
    pub(super) fn finish(mut self, pages: &mut NewPages) -> u64 {
        let last = self.make_leaf(pages);
        if self.branches.is_empty() {
            return last.page;
        }
        self.add_child(pages, 0, last);
        let mut height = 0;
        loop {
            let last = std::mem::take(&mut self.branches[height]).finish();
            let is_top = height + 1 == self.branches.len();
            if let [root] = &last[..]
                && is_top
            {
                return pages.branch(root);
            }
            for children in last {
                self.add_branch(pages, height, children);
            }
            height += 1;
        }
    }

    fn make_leaf(&mut self, pages: &mut NewPages) -> Child {
        let items = std::mem::take(&mut self.leaf);
        self.leaf_bytes = 0;
        let key = items.first().map(|item| item.key.clone()).unwrap_or_default();
        Child { key, page: pages.leaf(&items) }
    }

    fn add_child(&mut self, pages: &mut NewPages, height: usize, child: Child) {
        if height == self.branches.len() {
            self.branches.push(BranchLevel::default());
        }
        if let Some(children) = self.branches[height].add(child) {
            self.add_branch(pages, height, children);
        }
    }

    /// Makes a branch, and adds it to the level above.
    fn add_branch(&mut self, pages: &mut NewPages, height: usize, children: Vec<Child>) {
        let key = children[0].key.clone();
        let page = pages.branch(&children);
        self.add_child(pages, height + 1, Child { key, page });
    }
}

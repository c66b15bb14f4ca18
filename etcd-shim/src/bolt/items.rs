//! [`Items`]: a walk over a tree.

use super::bolt_error::BoltError;
use super::bolt_file::BoltFile;
use super::page::{Item, Page};

/// No tree is higher than this. Even in a file of many terabytes, with pages of 512 bytes and long keys, a tree is
/// lower.
const HEIGHT_MAX: usize = 64;

/// The items of a tree, in ascending order of their keys. Ends after the first error.
#[derive(Clone, Debug)]
pub(crate) struct Items<'a> {
    file: BoltFile<'a>,
    /// The pages from the root down, each with the index of its next element.
    path: Vec<(Page<'a>, usize)>,
    last: Option<&'a [u8]>,
    /// How many more pages the walk may visit. In a damaged file, pages may refer to each other in a circle.
    pages_left: u64,
}

impl<'a> Items<'a> {
    /// All items below `root`.
    pub(super) fn all(file: BoltFile<'a>, root: Page<'a>) -> Self {
        Self { file, path: vec![(root, 0)], last: None, pages_left: file.pages() }
    }

    fn step(&mut self) -> Result<Option<Item<'a>>, BoltError> {
        while let Some((page, next)) = self.path.last_mut() {
            if *next == page.count {
                self.path.pop();
                continue;
            }
            let index = *next;
            *next += 1;
            if page.is_leaf {
                let item = page.item(index)?;
                if self.last.is_some_and(|last| last >= item.key) {
                    return Err(page.unordered());
                }
                self.last = Some(item.key);
                return Ok(Some(item));
            }
            let id = page.child(index)?;
            let damaged = |expected| BoltError::Damaged { page: id, expected };
            if self.path.len() >= HEIGHT_MAX {
                return Err(damaged("a tree with fewer levels"));
            }
            self.pages_left =
                self.pages_left.checked_sub(1).ok_or_else(|| damaged("a page that is only once in the tree"))?;
            self.path.push((self.file.page(id)?, 0));
        }
        Ok(None)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, BoltError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.path.clear();
        }
        step.transpose()
    }
}

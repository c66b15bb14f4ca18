//! [`Page`]: a page of a tree that is read from a file. Nothing beyond the end of the page is read, whatever the page says.

use super::bolt_error::BoltError;
use super::layout::{BRANCH, ELEMENT_BYTES, HEADER_BYTES, IS_BUCKET, LEAF, u16_at, u32_at, u64_at};

/// An item of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item<'a> {
    /// Whether it is a bucket within the bucket.
    pub(crate) is_bucket: bool,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page<'a> {
    /// Its number, for errors. An inline page has the number 0.
    id: u64,
    /// The page, with the pages by which it continues.
    bytes: &'a [u8],
    pub(super) is_leaf: bool,
    /// The number of its elements.
    pub(super) count: usize,
}

impl<'a> Page<'a> {
    /// The page with these bytes.
    pub(super) fn parse(id: u64, bytes: &'a [u8]) -> Result<Self, BoltError> {
        let damaged = |expected| BoltError::Damaged { page: id, expected };
        let header = (u16_at(bytes, 8), u16_at(bytes, 10));
        let (Some(kind), Some(count)) = header else { return Err(damaged("the header of a page")) };
        let is_leaf = match kind {
            LEAF => true,
            BRANCH => false,
            _ => return Err(damaged("a leaf or a branch")),
        };
        let count = usize::from(count);
        if bytes.len() < HEADER_BYTES + count * ELEMENT_BYTES {
            return Err(damaged("as many elements as its header says"));
        }
        if !is_leaf && count == 0 {
            return Err(damaged("a branch with pages below it"));
        }
        Ok(Self { id, bytes, is_leaf, count })
    }

    /// Where element `index` begins.
    fn element(index: usize) -> usize {
        HEADER_BYTES + index * ELEMENT_BYTES
    }

    fn damaged(&self, expected: &'static str) -> BoltError {
        BoltError::Damaged { page: self.id, expected }
    }

    /// The error for a page whose keys do not ascend.
    pub(super) fn unordered(&self) -> BoltError {
        self.damaged("keys in ascending order")
    }

    /// The item with this index, of a leaf.
    pub(super) fn item(&self, index: usize) -> Result<Item<'a>, BoltError> {
        let at = Self::element(index);
        let read = || {
            let flags = u32_at(self.bytes, at)?;
            let begin = at.checked_add(usize::try_from(u32_at(self.bytes, at + 4)?).ok()?)?;
            let key_len = usize::try_from(u32_at(self.bytes, at + 8)?).ok()?;
            let value_len = usize::try_from(u32_at(self.bytes, at + 12)?).ok()?;
            let (key, rest) = self.bytes.get(begin..)?.split_at_checked(key_len)?;
            Some(Item { is_bucket: flags & IS_BUCKET != 0, key, value: rest.get(..value_len)? })
        };
        read().ok_or_else(|| self.damaged("an item that lies within the page"))
    }

    /// The number of the page below the element with this index, of a branch.
    pub(super) fn child(&self, index: usize) -> Result<u64, BoltError> {
        u64_at(self.bytes, Self::element(index) + 8).ok_or_else(|| self.damaged("an element that lies within the page"))
    }
}

//! [`BoltFile`]: a file of bbolt that is read.

use super::bolt_error::BoltError;
use super::items::Items;
use super::layout::{BUCKET_BYTES, FIRST_PAGE, u32_at, u64_at};
use super::meta::Meta;
use super::page::Page;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BoltFile<'a> {
    bytes: &'a [u8],
    meta: Meta,
}

/// A bucket of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket<'a> {
    file: BoltFile<'a>,
    root: Root<'a>,
}

/// Where the tree of a bucket begins.
#[derive(Clone, Copy, Debug)]
enum Root<'a> {
    Page(u64),
    /// The bucket has one page, which lies in the value of the bucket's item.
    Inline(&'a [u8]),
}

impl<'a> BoltFile<'a> {
    /// The file with these bytes. Bytes after its last page are ignored.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, BoltError> {
        let meta = Meta::newest(bytes)?;
        let (expected, found) = (meta.pages.saturating_mul(meta.page_bytes.into()), bytes.len() as u64);
        if expected > found {
            return Err(BoltError::Truncated { expected, found });
        }
        Ok(Self { bytes, meta })
    }

    /// The number of pages.
    pub(super) fn pages(&self) -> u64 {
        self.meta.pages
    }

    /// The page with this number, with the pages by which it continues.
    pub(super) fn page(&self, id: u64) -> Result<Page<'a>, BoltError> {
        let damaged = |expected| BoltError::Damaged { page: id, expected };
        if !(FIRST_PAGE..self.meta.pages).contains(&id) {
            return Err(damaged("the number of a page of the file"));
        }
        // All pages lie within the bytes, so these numbers fit.
        let size = self.meta.page_bytes as usize;
        let from = usize::try_from(id).ok().and_then(|id| self.bytes.get(id.checked_mul(size)?..));
        let header = from.and_then(|from| Some((from, u64_at(from, 0)?, u32_at(from, 12)?)));
        let Some((from, found, more)) = header else { return Err(damaged("the header of a page")) };
        if found != id {
            return Err(damaged("the page's own number at its beginning"));
        }
        let after = id.saturating_add(u64::from(more)).saturating_add(1);
        let len = usize::try_from(more).ok().and_then(|more| more.checked_add(1)?.checked_mul(size));
        let bytes = len.filter(|_| after <= self.meta.pages).and_then(|len| from.get(..len));
        Page::parse(id, bytes.ok_or_else(|| damaged("a page that ends within the file"))?)
    }

    /// The bucket with this name.
    pub(crate) fn bucket(&self, name: &str) -> Result<Bucket<'a>, BoltError> {
        self.find_bucket(name)?.ok_or_else(|| BoltError::NoBucket(name.to_owned()))
    }

    /// As [`Self::bucket`]; `None` if there is none.
    pub(crate) fn find_bucket(&self, name: &str) -> Result<Option<Bucket<'a>>, BoltError> {
        for item in Items::all(*self, self.page(self.meta.root)?) {
            let item = item?;
            if item.is_bucket && item.key == name.as_bytes() {
                let damaged = BoltError::Damaged { page: self.meta.root, expected: "the root page of a bucket" };
                let root = match u64_at(item.value, 0) {
                    Some(0) => item.value.get(BUCKET_BYTES..).map(Root::Inline),
                    page => page.map(Root::Page),
                };
                return Ok(Some(Bucket { file: *self, root: root.ok_or(damaged)? }));
            }
        }
        Ok(None)
    }
}

impl<'a> Bucket<'a> {
    /// The items of the bucket, in ascending order of their keys.
    pub(crate) fn items(&self) -> Result<Items<'a>, BoltError> {
        let page = match self.root {
            Root::Page(id) => self.file.page(id)?,
            Root::Inline(bytes) => Page::parse(0, bytes)?,
        };
        Ok(Items::all(self.file, page))
    }

    /// The value of `key`. It walks over the bucket, so it is meant for small ones.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<&'a [u8]>, BoltError> {
        for item in self.items()? {
            let item = item?;
            if item.key == key && !item.is_bucket {
                return Ok(Some(item.value));
            }
        }
        Ok(None)
    }
}

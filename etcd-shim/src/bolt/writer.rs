//! [`BoltWriter`]: makes a file of bbolt.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};

use super::bolt_error::BoltError;
use super::layout::{HEADER_BYTES, META, PAGE_BYTES};
use super::meta::Meta;
use super::new_pages::{NewItem, NewPages};
use super::tree::Tree;

/// The length of the two meta pages, with which the file begins.
pub(crate) const META_BYTES: usize = 2 * PAGE_BYTES;

/// A file in the making. The same buckets, keys and values give the same bytes.
#[derive(Debug)]
pub(crate) struct BoltWriter {
    pages: NewPages,
    /// The root page of each bucket that is complete.
    buckets: BTreeMap<&'static str, u64>,
    /// The bucket that takes items.
    open: Option<(&'static str, Tree)>,
}

impl BoltWriter {
    pub(crate) fn new() -> Self {
        Self { pages: NewPages::new(), buckets: BTreeMap::new(), open: None }
    }

    /// Completes the last bucket and begins another one. Each name may be given once.
    pub(crate) fn begin_bucket(&mut self, name: &'static str) {
        self.end_bucket();
        self.open = Some((name, Tree::default()));
    }

    fn end_bucket(&mut self) {
        if let Some((name, tree)) = self.open.take() {
            let root = tree.finish(&mut self.pages);
            let earlier = self.buckets.insert(name, root);
            assert!(earlier.is_none(), "bucket {name} was begun twice");
        }
    }

    /// Adds an item to the bucket that was begun last. The keys of a bucket must ascend.
    pub(crate) fn put(&mut self, key: Bytes, value: Bytes) -> Result<(), BoltError> {
        let (name, tree) = self.open.as_mut().expect("a bucket is begun before its items");
        if tree.last_key().is_some_and(|last| *last >= key) {
            return Err(BoltError::Unordered((*name).to_owned()));
        }
        tree.add(&mut self.pages, NewItem { is_bucket: false, key, value });
        Ok(())
    }

    /// Takes the pages that were made since the last call. Returns their bytes. In the file they follow the pages of the call
    /// before. The first ones follow the meta pages, which take [`META_BYTES`].
    pub(crate) fn take_pages(&mut self) -> Bytes {
        self.pages.take()
    }

    /// Completes the file. Returns the meta pages, with which it begins. [`Self::take_pages`] returns its last pages after
    /// that.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.end_bucket();
        let mut tree = Tree::default();
        for (name, root) in &self.buckets {
            let mut value = BytesMut::new();
            value.put_u64_le(*root);
            value.put_u64_le(0);
            let item = NewItem { is_bucket: true, key: Bytes::from_static(name.as_bytes()), value: value.freeze() };
            tree.add(&mut self.pages, item);
        }
        let root = tree.finish(&mut self.pages);
        let freelist = self.pages.no_free_pages();
        let page_bytes = u32::try_from(PAGE_BYTES).expect("a page is small");
        let mut out = BytesMut::with_capacity(META_BYTES);
        // bbolt writes the meta page of transaction `n` to page `n % 2`.
        for transaction in 0..2_u64 {
            let meta = Meta { page_bytes, root, freelist, pages: self.pages.next(), transaction };
            out.put_u64_le(transaction);
            out.put_u16_le(META);
            out.put_slice(&[0; HEADER_BYTES - 10]);
            out.put_slice(&meta.encode());
            out.resize(PAGE_BYTES * (usize::from(transaction == 1) + 1), 0);
        }
        out.freeze()
    }
}

//! [`NewPages`]: numbers the pages that the writer makes, and holds their bytes until they are taken.

use bytes::{BufMut, Bytes, BytesMut};

use super::layout::{BRANCH, ELEMENT_BYTES, FIRST_PAGE, FREELIST, HEADER_BYTES, IS_BUCKET, LEAF, PAGE_BYTES};

/// An item of a leaf that is being made.
#[derive(Clone, Debug)]
pub(super) struct NewItem {
    pub(super) is_bucket: bool,
    pub(super) key: Bytes,
    pub(super) value: Bytes,
}

/// A page below a branch that is being made.
#[derive(Clone, Debug)]
pub(super) struct Child {
    /// Its first key.
    pub(super) key: Bytes,
    pub(super) page: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct NewPages {
    bytes: BytesMut,
    next: u64,
}

impl NewPages {
    pub(super) fn new() -> Self {
        Self { bytes: BytesMut::new(), next: FIRST_PAGE }
    }

    /// The number that the next page will get.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Takes the pages that were made since the last call, in the order of their numbers. Returns their bytes.
    pub(super) fn take(&mut self) -> Bytes {
        self.bytes.split().freeze()
    }

    /// Makes a leaf. Returns its number.
    pub(super) fn leaf(&mut self, items: &[NewItem]) -> u64 {
        let content: usize = items.iter().map(|item| item.key.len() + item.value.len()).sum();
        self.page(LEAF, items.len(), items.len() * ELEMENT_BYTES + content, |out| {
            let mut at = items.len() * ELEMENT_BYTES;
            for (index, NewItem { is_bucket, key, value }) in items.iter().enumerate() {
                out.put_u32_le(if *is_bucket { IS_BUCKET } else { 0 });
                // A position is counted from the beginning of the element that holds it.
                put_len(out, at - index * ELEMENT_BYTES);
                put_len(out, key.len());
                put_len(out, value.len());
                at += key.len() + value.len();
            }
            for item in items {
                out.put_slice(&item.key);
                out.put_slice(&item.value);
            }
        })
    }

    /// Makes a branch. Returns its number.
    pub(super) fn branch(&mut self, children: &[Child]) -> u64 {
        let content: usize = children.iter().map(|child| child.key.len()).sum();
        self.page(BRANCH, children.len(), children.len() * ELEMENT_BYTES + content, |out| {
            let mut at = children.len() * ELEMENT_BYTES;
            for (index, Child { key, page }) in children.iter().enumerate() {
                put_len(out, at - index * ELEMENT_BYTES);
                put_len(out, key.len());
                out.put_u64_le(*page);
                at += key.len();
            }
            children.iter().for_each(|child| out.put_slice(&child.key));
        })
    }

    /// Makes the list of free pages of a file that has none. Returns its number.
    pub(super) fn no_free_pages(&mut self) -> u64 {
        self.page(FREELIST, 0, 0, |_| ())
    }

    fn page(&mut self, kind: u16, count: usize, content: usize, write: impl FnOnce(&mut BytesMut)) -> u64 {
        let (id, pages) = (self.next, (HEADER_BYTES + content).div_ceil(PAGE_BYTES));
        let end = self.bytes.len() + pages * PAGE_BYTES;
        self.bytes.put_u64_le(id);
        self.bytes.put_u16_le(kind);
        self.bytes.put_u16_le(u16::try_from(count).expect("a page of 4 KiB has few elements"));
        put_len(&mut self.bytes, pages - 1);
        write(&mut self.bytes);
        self.bytes.resize(end, 0);
        self.next += pages as u64;
        id
    }
}

fn put_len(out: &mut BytesMut, len: usize) {
    out.put_u32_le(u32::try_from(len).expect("keys and values are far below 4 GiB"));
}

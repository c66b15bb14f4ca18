//! [`Meta`]: what a meta page says. A file has two meta pages. Of those that are valid, the one with the higher
//! transaction number is used.
//!
//! After the page's header, little-endian: magic u32, version u32, size of a page u32, flags u32, root page u64 and sequence
//! u64 of the tree of buckets, page of the free list u64, number of pages u64, transaction u64, and the FNV-1a checksum u64
//! of all this.

use super::bolt_error::BoltError;
use super::layout::{HEADER_BYTES, META, VERSION, u16_at, u32_at, u64_at};

const MAGIC: u32 = 0xED0C_DAED;
/// The length of the fields, with the checksum.
pub(super) const FIELDS_BYTES: usize = 64;
/// Where the checksum begins, in bytes from the beginning of the first field.
const SUM_AT: usize = 56;
/// The sizes that a page may have.
const PAGE_BYTES_ALLOWED: std::ops::RangeInclusive<u32> = 512..=65_536;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    /// The size of a page.
    pub(super) page_bytes: u32,
    /// The root page of the tree of buckets.
    pub(super) root: u64,
    /// The page of the free list.
    pub(super) freelist: u64,
    /// The number of pages, meta pages included.
    pub(super) pages: u64,
    /// The transaction that wrote it.
    pub(super) transaction: u64,
}

/// FNV-1a with 64 bits.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

impl Meta {
    /// The fields as bytes.
    pub(super) fn encode(self) -> [u8; FIELDS_BYTES] {
        let Self { page_bytes, root, freelist, pages, transaction } = self;
        let mut out = [0; FIELDS_BYTES];
        let small = [MAGIC, VERSION, page_bytes, 0];
        let large = [root, 0, freelist, pages, transaction];
        for (at, number) in small.into_iter().enumerate() {
            out[4 * at..][..4].copy_from_slice(&number.to_le_bytes());
        }
        for (at, number) in large.into_iter().enumerate() {
            out[16 + 8 * at..][..8].copy_from_slice(&number.to_le_bytes());
        }
        let sum = checksum(&out[..SUM_AT]);
        out[SUM_AT..].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// Reads the meta page that begins at byte `at` of the file. `None` if there is none, or if it is damaged.
    fn at(file: &[u8], at: usize) -> Option<Result<Self, BoltError>> {
        if u16_at(file, at + 8)? != META {
            return None;
        }
        let fields = file.get(at + HEADER_BYTES..)?.get(..FIELDS_BYTES)?;
        if u32_at(fields, 0)? != MAGIC || u64_at(fields, SUM_AT)? != checksum(&fields[..SUM_AT]) {
            return None;
        }
        let version = u32_at(fields, 4)?;
        if version != VERSION {
            return Some(Err(BoltError::Version(version)));
        }
        let page_bytes = u32_at(fields, 8).filter(|n| PAGE_BYTES_ALLOWED.contains(n) && n.is_power_of_two())?;
        let number = |at| u64_at(fields, at);
        let (root, freelist, pages, transaction) = (number(16)?, number(32)?, number(40)?, number(48)?);
        Some(Ok(Self { page_bytes, root, freelist, pages, transaction }))
    }

    /// The meta page that counts.
    pub(super) fn newest(file: &[u8]) -> Result<Self, BoltError> {
        // Where page 1 begins depends on the size of the pages, which page 0 says. Page 0 may be damaged, so page 1 is
        // always searched at each place where it can be.
        let smallest = PAGE_BYTES_ALLOWED.start().trailing_zeros();
        let largest = PAGE_BYTES_ALLOWED.end().trailing_zeros();
        let begins = (smallest..=largest).map(|power| 1_usize << power);
        let second = begins.filter_map(|begin| {
            let found = Self::at(file, begin)?;
            let fits = found.as_ref().map_or(true, |meta| meta.page_bytes as usize == begin);
            fits.then_some(found)
        });
        let mut newest: Option<Self> = None;
        let mut refused = None;
        for found in Self::at(file, 0).into_iter().chain(second) {
            match found {
                Ok(meta) if newest.is_none_or(|known| meta.transaction > known.transaction) => newest = Some(meta),
                Ok(_) => {}
                Err(error) => refused = Some(error),
            }
        }
        newest.ok_or(refused.unwrap_or(BoltError::NoMeta))
    }
}

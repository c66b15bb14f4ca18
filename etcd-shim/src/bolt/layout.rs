//! The numbers of bbolt's format, which other files of this module share.

/// The version of the format.
pub(super) const VERSION: u32 = 2;
/// The size of the pages that the writer makes, in bytes. etcd makes pages of the same size on most machines, and reads
/// pages of any size.
pub(super) const PAGE_BYTES: usize = 4_096;
/// The first page that is not a meta page.
pub(super) const FIRST_PAGE: u64 = 2;
/// The length of a page's header.
pub(super) const HEADER_BYTES: usize = 16;
/// The length of an element in a leaf or a branch, without key and value.
pub(super) const ELEMENT_BYTES: usize = 16;
/// The length of the head of a bucket's value: root page u64 and sequence u64. An inline page follows if the root is 0.
pub(super) const BUCKET_BYTES: usize = 16;

/// A page of this kind is a branch.
pub(super) const BRANCH: u16 = 0x01;
/// A page of this kind is a leaf.
pub(super) const LEAF: u16 = 0x02;
/// A page of this kind is a meta page.
pub(super) const META: u16 = 0x04;
/// A page of this kind is the list of free pages.
pub(super) const FREELIST: u16 = 0x10;
/// The flag of an item that is a bucket.
pub(super) const IS_BUCKET: u32 = 0x01;

/// The `u16` at byte `at`.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The `u32` at byte `at`.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The `u64` at byte `at`.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

//! Files of bbolt, the database in which etcd keeps its state: a writer that needs little memory, and a reader that
//! trusts nothing. They know pages and buckets, and nothing of etcd.
//!
//! A file is a row of pages of equal size. Each begins with a header: its number u64, its kind u16, the number of its
//! elements u16, and by how many further pages it continues u32 (all numbers are little-endian). Pages 0 and 1 are meta
//! pages ([`meta`]). The others hold trees. A leaf has items, each with flags, key and value; a branch has, for each page
//! below, its first key and its number. The tree of the file has an item for each bucket, and its value is the number of
//! the root page of the bucket's own tree. A small bucket may lie inline in that value, as a page without a number.
//!
//! - [`BoltWriter`]: takes buckets in any order, and the keys of each in ascending order. It gives out finished pages in the
//!   order in which they lie in the file, and the two meta pages last. [`tree`]: the tree of one bucket; [`branch_level`]:
//!   its pages of one height; [`new_pages`]: numbers and bytes of pages
//! - [`BoltFile`]: reads a file that is in memory, or mapped into it. [`page`]: checks one page; [`items`]: walks over a tree

mod bolt_error;
mod bolt_file;
mod branch_level;
mod items;
mod layout;
mod meta;
mod new_pages;
mod page;
mod tree;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use bolt_error::BoltError;
pub(crate) use bolt_file::BoltFile;
pub(crate) use writer::{BoltWriter, META_BYTES};

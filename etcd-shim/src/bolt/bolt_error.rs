//! [`BoltError`]: why a file of bbolt cannot be read or written.

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BoltError {
    /// Neither of the two meta pages is valid.
    #[error("it is not a file of bbolt, or its beginning is damaged: expected a meta page with a correct checksum")]
    NoMeta,
    /// The file has another version of the format.
    #[error("it has version {0} of bbolt's format, expected version {version}", version = super::layout::VERSION)]
    Version(u32),
    /// The file is shorter than its meta page says.
    #[error("it is truncated: expected {expected} bytes, found {found}")]
    Truncated {
        /// The length that the meta page gives.
        expected: u64,
        /// The length of the file.
        found: u64,
    },
    /// A page is not what it should be.
    #[error("it is damaged at page {page}: expected {expected}")]
    Damaged {
        /// The page. An inline page has the number 0.
        page: u64,
        /// What should have been there.
        expected: &'static str,
    },
    /// The file lacks a bucket.
    #[error("it has no bucket {0:?}, expected the file of an etcd server")]
    NoBucket(String),
    /// The writer was given keys in the wrong order.
    #[error("the keys of bucket {0:?} were not given in ascending order")]
    Unordered(String),
}

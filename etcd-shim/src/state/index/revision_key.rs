//! [`RevisionKey`]: names one change of a key.

/// A place in a store's history: etcd's main and sub revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RevisionKey {
    pub(crate) main: i64,
    pub(crate) sub: u32,
}

//! Conformance suites: tests that every implementation of a contract must pass, from its callers' view. A test that
//! fails panics with the rule that was broken.
//!
//! - [`storage_unit`]: for a fresh, writable `StorageUnit`
//! - [`meta_store`]: for an empty `MetaStore`
//! - [`snapshots`]: for a node that offers `Snapshots`

mod meta_store;
mod snapshots;
mod storage_unit;

pub use meta_store::meta_store;
pub use snapshots::snapshots;
pub use storage_unit::storage_unit;

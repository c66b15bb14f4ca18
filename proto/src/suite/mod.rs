//! Conformance suites: what every implementation of a contract must do, by its callers' view. Panics name what broke.
//!
//! - [`storage_unit`]: for a fresh, writable `StorageUnit`
//! - [`meta_store`]: for an empty `MetaStore`

mod meta_store;
mod storage_unit;

pub use meta_store::meta_store;
pub use storage_unit::storage_unit;

//! The contract [`StorageUnit`](crate::contracts::StorageUnit) between nodes: [`RemoteUnit`] calls, [`UnitService`]
//! serves.
//!
//! All changes and the checks of the tail go over one stream (a [`lane`](super::lane)), because the contract promises
//! that the changes of one caller take effect in the order of the calls. Reads, waits and followed streams are calls of
//! their own: a long answer does not hold up the others, and a wait that is given up is ended at the peer.

mod changes;
mod protocol;
mod service;
mod streams;
mod stub;

pub use service::UnitService;
pub use stub::RemoteUnit;

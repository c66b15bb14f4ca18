//! Snapshots between nodes. A node whose local store is behind the log's trim point cannot catch up by replaying the
//! log, because the entries that it lacks are gone. It fetches a copy of another node's local store. When it starts, it
//! replaces its own local store with the copy, and replays the log from the copy's cursor on.
//!
//! - [`Offering`]: makes a copy when a node asks for one, gives it out in pieces, and removes it when it is not read any
//!   more; [`OfferingWorker`]: the Worker that does so
//! - [`Fetcher`]: gets a copy from one of the other nodes, and goes on after a break
//! - [`Fetched`]: the complete copy, before it is installed
//!
//! Invariants: the log is held at or below the copy's cursor before the copy is made, so what follows the copy is there
//! when it is installed; a copy that is not above the node's own persisted cursor is refused; nothing is installed whose
//! checksum does not hold.

mod fetch;
mod offering;
mod partial;

pub use fetch::{FetchError, Fetched, Fetcher, remove_fetched};
pub use offering::{Offering, OfferingParts, OfferingWorker};

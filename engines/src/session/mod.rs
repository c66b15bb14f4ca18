//! Session: proposals happen at most once (after Delos's SessionOrder, SOSP'21, section 4.E, without its order filter).
//!
//! A session is one life of a storage: (storage id, boot). It opens by a log entry and closes when the storage's next
//! life opens its own; entries of an unknown or closed session are dropped, so whatever a dead life left on the way
//! never takes effect after its successor began to serve. Within a session every proposal has a sequence number and is
//! proposed again under the same number until it is seen applied: that settles an append whose outcome is unknown
//! (safety rule 10). Headers carry the settled floor, which bounds the state by the window in flight.
//!
//! The switch decides only whether new proposals get a header. An entry that carries one is always checked and recorded:
//! one that was proposed while the engine was on, and sent again after it was turned off, would else be applied twice.
//!
//! Header, little-endian: version u8 = 1, kind u8 (0 proposal, 1 open), storage id u64, boot u64, sequence u64, floor
//! u64. Row: boot u64, floor u64, then the applied sequence numbers at or above the floor.
//!
//! - [`SessionParts`] makes [`Session`], the lower half, and [`SessionApply`], the upper one; they share the window

mod header;
mod lower;
mod parts;
mod state;
#[cfg(test)]
mod tests;
mod upper;
mod window;

use naxos_proto::ids::EngineId;

use crate::engine::EngineInfo;

pub use lower::Session;
pub use parts::SessionParts;
pub use upper::{SessionApply, SessionOutput};

/// This engine.
pub const INFO: EngineInfo = EngineInfo {
    id: EngineId(3),
    name: "session",
    summary: "makes proposals happen at most once",
    is_switchable: true,
    read_rows: |reader| drop(state::load(reader)),
};

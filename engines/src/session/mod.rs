//! Session: proposals happen at most once (after Delos's SessionOrder, SOSP'21, section 4.E, without its order filter).
//!
//! Every process has one session. It is named by the id of the process's storage (its data directory) and by the boot,
//! the number of the process on this storage. A log entry opens the session. It is closed when the next process on the
//! same storage opens its own. Entries of an unknown or closed session are dropped, so an entry that a dead process
//! left on its way never takes effect after the next process began to serve. Within a session every proposal has a
//! sequence number. If the outcome of its append is unknown, it is proposed again with the same number, a few times at
//! most, until it is seen applied (safety rule 10). Headers carry a floor: all lower numbers are settled. So the state
//! is no larger than the window in flight.
//!
//! The switch decides only whether new proposals get a header. An entry with a header is always checked and recorded.
//! Otherwise an entry that was proposed while the engine was on, and sent again after it was turned off, would be
//! applied twice.
//!
//! Header, little-endian: version u8 = 1, kind u8 (0 proposal, 1 open), storage id u64, boot u64, sequence u64, floor
//! u64. Row of a storage: boot u64, floor u64, then the applied sequence numbers at or above the floor, each a u64.
//!
//! - [`SessionParts`]: makes the two halves of the engine, which share the window of outstanding proposals
//! - [`Session`]: the lower half, through which proposals go down to the log
//! - [`SessionApply`]: the upper half, through which entries of the log come up to be applied

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

/// The description of this engine.
pub const INFO: EngineInfo = EngineInfo {
    id: EngineId(3),
    name: "session",
    summary: "makes proposals happen at most once",
    is_switchable: true,
    is_on_at_first: true,
    read_rows: |reader| drop(state::load(reader)),
};

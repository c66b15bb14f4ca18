//! Compression: makes payloads smaller before they go into the log. It is one of the engines that Delos names as possible and
//! does not have (SOSP'21, section 3.3).
//!
//! An entry is sent to every node and stored on every storage unit. So a byte that is saved is saved several times. The price
//! is CPU: the proposer compresses, and every node expands. So the engine is off in a new log, and an operator turns it on:
//! `naxos ctl engines enable compression`. When a batch comes back, the thread that has applied it compresses the next one.
//!
//! - Going down: a payload of at least [`COMPRESS_MIN`] bytes is compressed as one block of LZ4, if that saves at least an
//!   eighth. Then the entry gets the header. All other entries pass.
//! - Going up: an entry that has the header is expanded before the engines above see it.
//!
//! The engine keeps no state. The switch decides only about new proposals. Whether an entry is compressed is decided by
//! its header alone, so every node expands the same entries, and entries that were on their way when the engine was turned
//! off are applied like any others.
//!
//! Header, little-endian: version u8 = 1, bytes of the expanded payload u32. The payload of such an entry is one LZ4 block
//! without a size in front.
//!
//! - [`Compression`]: the lower half; [`CompressionApply`]: the upper half
//! - [`expand`]: expands an entry. It needs no running stack. The recovery of a cluster uses it.

mod expand;
mod lower;
mod upper;

use naxos_proto::ids::EngineId;

use crate::engine::EngineInfo;

pub use expand::expand;
pub use lower::{COMPRESS_MIN, Compression};
pub use upper::CompressionApply;

/// The description of this engine. It keeps no rows.
pub const INFO: EngineInfo = EngineInfo {
    id: EngineId(5),
    name: "compression",
    summary: "makes large payloads smaller in the log",
    is_switchable: true,
    is_on_at_first: false,
    read_rows: |_| (),
};

/// A payload that is larger when it is expanded is not compressed. So a damaged header cannot ask for more memory.
const EXPANDED_BYTES_MAX: usize = 64 << 20;

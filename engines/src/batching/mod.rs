//! Batching: many commands in one entry, one local store transaction for all of them (Delos, SOSP'21, section 4.G).
//!
//! Adaptive, so that it costs next to nothing when idle: with no batch on the way, the commands of the handlers that are
//! ready now set out together ([`crate::reply_port`]). A second batch sets out as soon as it is as large as the one on
//! the way: a sync and an apply cost the same for few commands as for many, and equal batches share them best. Later
//! commands gather until a batch comes back. Switched off, every command is an entry of its own.
//!
//! Header, little-endian: version u8 = 1, storage id u64, boot u64, batch number u64, command count u32. Payload: for each
//! command its length u32 and its bytes.
//!
//! - [`Application`]: what runs on top; [`Batching`]: the lower half; [`BatchingApply`]: the upper half

mod application;
mod header;
mod lower;
mod upper;

use naxos_proto::ids::EngineId;

use crate::engine::EngineInfo;

pub use application::{Application, Reply};
pub use lower::Batching;
pub use upper::{BatchOutput, BatchingApply};

/// This engine. It keeps no rows.
pub const INFO: EngineInfo = EngineInfo {
    id: EngineId(4),
    name: "batching",
    summary: "puts many commands into one entry",
    is_switchable: true,
    read_rows: |_| (),
};

//! Batching: puts many commands into one entry and applies them in one transaction of the local store (Delos, SOSP'21,
//! section 4.G).
//!
//! It adapts to the load, so that it costs almost nothing when the node is idle:
//!
//! 1. While no batch is on its way, the commands of all handlers that are ready now are sent together
//!    ([`crate::reply_port`]).
//! 2. A second batch is sent as soon as it has twice as many commands as the one on its way, or 1 MiB. However few
//!    commands it has, each batch costs a sync and a commit, and in a cluster also some messages. So the same commands
//!    cost more in small batches than in large ones.
//! 3. Later commands gather until a batch comes back.
//!
//! When the engine is switched off, every command gets an entry of its own.
//!
//! Header, little-endian: version u8 = 1, storage id u64, boot u64, batch number u64, command count u32. Payload: for
//! each command its length u32 and its bytes.
//!
//! - [`batch_of`]: makes an entry with one batch; [`commands_of`]: reads the commands of an entry. Neither needs a
//!   running stack. The recovery of a cluster uses them.
//! - [`Application`]: what runs on top; [`Batching`]: the lower half; [`BatchingApply`]: the upper half

mod application;
mod header;
mod lower;
mod upper;

use naxos_proto::ids::EngineId;

use crate::engine::EngineInfo;

pub use application::{Application, Reply};
pub use header::{batch_of, commands_of};
pub use lower::Batching;
pub use upper::{BatchOutput, BatchingApply};

/// The description of this engine. It keeps no rows.
pub const INFO: EngineInfo = EngineInfo {
    id: EngineId(4),
    name: "batching",
    summary: "puts many commands into one entry",
    is_switchable: true,
    is_on_at_first: true,
    read_rows: |_| (),
};

//! What a binary knows about an engine. Each engine's folder exports one [`EngineInfo`], and the stack lists them.

use naxos_proto::ids::EngineId;

use crate::local_store::StoreReader;

/// The description of an engine.
#[derive(Clone, Copy, Debug)]
pub struct EngineInfo {
    /// The engine's id in headers and rows. It is never used again for another engine.
    pub id: EngineId,
    /// The name that `naxos ctl engines` prints and accepts.
    pub name: &'static str,
    /// What the engine does, in a few words, for `naxos ctl engines`.
    pub summary: &'static str,
    /// Whether a command in the log can turn it on and off.
    pub is_switchable: bool,
    /// Whether it is on in a new log.
    pub is_on_at_first: bool,
    /// Reads the rows that the engine reads when it is built, and panics if one is damaged. A start uses it to look at
    /// all rows before it writes anything.
    pub read_rows: fn(&StoreReader),
}

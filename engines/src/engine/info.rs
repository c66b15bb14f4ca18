//! What a binary knows of an engine: each engine's folder exports one [`EngineInfo`], and the stack lists them.

use naxos_proto::ids::EngineId;

use crate::local_store::StoreReader;

/// The name card of an engine.
#[derive(Clone, Copy, Debug)]
pub struct EngineInfo {
    /// Its number in headers and rows: never used again for another engine.
    pub id: EngineId,
    /// The name that `naxos ctl engines` prints and takes.
    pub name: &'static str,
    /// What it does, in a few words, for `naxos ctl engines`.
    pub summary: &'static str,
    /// Whether a command in the log can turn it on and off.
    pub is_switchable: bool,
    /// Reads the rows that the engine reads when it is built, and panics when one is damaged: a start looks at all rows
    /// before it writes anything.
    pub read_rows: fn(&StoreReader),
}

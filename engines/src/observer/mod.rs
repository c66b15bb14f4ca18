//! Observer: measures how long proposals, syncs and apply take in each engine (Delos, SOSP'21, section 4.B).
//!
//! There is one observer above each engine, so that every engine is measured by the same code. What an observer measures
//! includes the engines on the other side of the measured one: a proposal's time in Session includes ViewTracking, Base and the
//! log below it, and its time in apply includes the engines above it. The difference between two neighbours is what one
//! engine costs.
//!
//! Base has no upper half below which apply could be measured, and nothing is proposed to Batching as to an engine. So the
//! one has no times of apply, and the other has only these.
//!
//! The engine has no header and no rows, so nothing about it is replicated except its switch. While it is off, an observer
//! passes every call on and measures nothing. What it has measured stays in memory until the process
//! ends.
//!
//! - [`Observed`]: what is known about one engine; [`Durations`]: how long something took, as a histogram
//! - [`Observer`]: the lower half; [`ObserverApply`]: the upper half

mod durations;
mod lower;
mod observed;
mod upper;

use naxos_proto::ids::EngineId;

use crate::engine::EngineInfo;

pub use durations::{Durations, Spread};
pub use lower::Observer;
pub use observed::Observed;
pub use upper::ObserverApply;

/// The description of this engine. It keeps no rows.
pub const INFO: EngineInfo = EngineInfo {
    id: EngineId(6),
    name: "observer",
    summary: "measures the other engines",
    is_switchable: true,
    is_on_at_first: false,
    read_rows: |_| (),
};

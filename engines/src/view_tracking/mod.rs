//! ViewTracking: coordinated trimming (Delos, SOSP'21, section 4.A).
//!
//! Every proposal carries how far its server could go back to after a crash: the *persisted* cursor. All servers see the
//! same map from server to cursor; its minimum is the safe trim point (safety rule 7). Nothing is proposed for its own
//! sake: an idle node writes nothing.
//!
//! Header, little-endian: version u8 = 1, storage id u64, persisted cursor u64.
//!
//! - [`ViewTracking`]: the lower half adds the header; [`ViewTrackingApply`]: the upper half keeps the view

mod header;
mod lower;
mod upper;
mod view;

use naxos_proto::ids::EngineId;

use crate::engine::EngineInfo;

pub use lower::ViewTracking;
pub use upper::ViewTrackingApply;

/// This engine.
pub const INFO: EngineInfo = EngineInfo {
    id: EngineId(2),
    name: "view-tracking",
    summary: "finds how far the log may be trimmed",
    is_switchable: true,
    read_rows: |reader| drop(view::load(reader)),
};

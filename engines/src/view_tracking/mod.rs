//! ViewTracking: coordinated trimming (Delos, SOSP'21, section 4.A).
//!
//! Every proposal carries the *persisted* cursor of its server: the position to which the server would go back after a
//! crash. All servers see the same map from server to cursor, the view. Its minimum is the safe trim point (safety rule
//! 7). Nothing is proposed for this purpose alone, so an idle node writes nothing.
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

/// The description of this engine.
pub const INFO: EngineInfo = EngineInfo {
    id: EngineId(2),
    name: "view-tracking",
    summary: "finds how far the log may be trimmed",
    is_switchable: true,
    read_rows: |reader| drop(view::load(reader)),
};

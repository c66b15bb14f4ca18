//! ViewTracking: coordinated trimming (Delos, SOSP'21, section 4.A).
//!
//! Every proposal carries the *persisted* cursor of its server: the position to which the server would go back after a
//! crash. All servers see the same map from server to cursor, the view. Its minimum is the safe trim point (safety rule
//! 7). While the log grows by the entries of others, a server tells its cursor by an entry of its own, but rarely. An
//! idle cluster writes nothing.
//!
//! A server that joins, or comes back after the log was trimmed beyond its cursor, is put into the view by the server that
//! gives it a snapshot. A server that is away is left out of the view when the log has become too large. It must get a
//! snapshot before it goes on.
//!
//! Header, little-endian: version u8 = 1, storage id u64, persisted cursor u64. Or: version u8 = 2, kind u8 (1 hold,
//! 2 eject), storage id u64, position u64.
//!
//! - [`ViewTrackingParts`] makes the halves. [`ViewTracking`]: the lower half adds the header, and tends the view;
//!   [`ViewTrackingApply`]: the upper half keeps the view
//! - `ejection`: decides which server is left out of the view

mod ejection;
mod header;
mod lower;
mod parts;
mod upper;
mod view;

use std::sync::Arc;

use naxos_proto::ids::{EngineId, StorageId};

use crate::engine::EngineInfo;

pub use lower::{HeldLog, ViewTracking};
pub use parts::ViewTrackingParts;
pub use upper::ViewTrackingApply;

/// Under this id the view has the position from which the log is kept for programs that use it directly
/// ([`naxos_client::streams::Log`]). The position is a hold, but it belongs to no server and is never ejected.
pub const PROGRAMS: StorageId = StorageId(u64::MAX);

/// The description of this engine.
pub const INFO: EngineInfo = EngineInfo {
    id: EngineId(2),
    name: "view-tracking",
    summary: "finds how far the log may be trimmed",
    is_switchable: true,
    is_on_at_first: true,
    read_rows: |reader| drop(view::View::load(reader, Arc::default())),
};

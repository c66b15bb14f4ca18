//! Failure detection: which nodes are alive, and which change of the log follows from that. The change is made by
//! [`VirtualLog::reconfigure`](crate::VirtualLog::reconfigure).
//!
//! - [`detector`]: pure: what the heartbeats of the other nodes say about them
//! - [`due_change`]: pure: whether the log should be reconfigured, and why
//! - [`damping`]: pure: how long a change waits, so that a node that comes and goes does not make the log thrash
//! - [`heartbeats`]: asks the other nodes all the time
//! - [`driver`]: makes the changes that are due

mod damping;
mod detector;
mod driver;
mod due_change;
mod heartbeats;
mod roles;

pub use detector::{Detector, DetectorConfig, NodeState};
pub use driver::{Driver, DriverParts, liveness, rank_of};
pub use heartbeats::{Heartbeats, Node};
pub use roles::Roles;

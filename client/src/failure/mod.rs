//! Failure detection: which nodes are alive, and which change of the log follows from that. The changes are made by
//! [`VirtualLog::reconfigure_from`](crate::VirtualLog::reconfigure_from) and
//! [`VirtualLog::change_units`](crate::VirtualLog::change_units).
//!
//! - [`detector`]: pure: what the heartbeats of the other nodes say about them
//! - [`due_change`]: pure: whether the log should be reconfigured, and why
//! - [`lost_units`]: pure: which ended segments name a unit that is lost for good, and what should replace it
//! - [`reach`]: pure: how many others each node hears
//! - [`damping`]: pure: how long a change waits, so that a node that comes and goes does not make the log thrash
//! - [`admission`]: whether the other nodes let this process take part; [`start_memory`]: the starts that a node
//!   remembers for that; [`start_history`]: the starts that the data directory itself remembers
//! - [`heartbeats`]: asks the other nodes all the time
//! - [`driver`]: makes the changes that are due

mod admission;
mod damping;
mod detector;
mod driver;
mod due_change;
mod heartbeats;
mod lost_units;
mod reach;
mod roles;
mod start_history;
mod start_memory;

pub use admission::{Admission, Disowned, Electorate};
pub use detector::{Detector, DetectorConfig, NodeState};
pub use driver::{Driver, DriverParts, liveness, rank_of};
pub use heartbeats::{Heartbeats, Node};
pub use reach::Reach;
pub use roles::Roles;
pub use start_history::StartHistory;
pub use start_memory::StartMemory;

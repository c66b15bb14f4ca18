//! What clients of a cluster notice when a member fails, is slow, is far away, is restarted or loses its disk, and when
//! the log is reconfigured.
//!
//! - [`gap`], [`slow_disk`], [`round_trip`], [`planned`], [`rolling`], [`wipe`]: one command each
//! - [`subjects`]: which clusters are measured; [`kind`]: what happens to a member
//! - [`writers`]: clients that write without pause; [`any_endpoint`]: one that goes to the next member after a failure
//! - [`gaps`]: how long nothing was written; `echo`: how long a message and its answer take through a proxy

pub mod any_endpoint;
mod echo;
pub mod gap;
pub mod gaps;
pub mod kind;
pub mod patient_clients;
pub mod planned;
pub mod rolling;
pub mod round_trip;
pub mod slow_disk;
pub mod subjects;
pub mod wipe;
pub mod writers;

//! The log: one line per event in the form of etcd's log (zap), as JSON or as text for people.
//!
//! The thread that emits an event makes the line and puts it into a bounded queue. The log's Worker takes the lines
//! from the queue and writes them. If an output is a pipe that nobody reads, the queue becomes full. Further lines are
//! then dropped and counted, and requests are still served.

mod layer;
mod line;
mod log;
mod log_error;
mod outputs;

pub use layer::LogLayer;
pub use log::Log;
pub use log_error::LogError;

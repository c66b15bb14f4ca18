//! The log: one line per event in the form of etcd's (zap), JSON or for people.
//!
//! An event becomes a line on the thread that makes it and goes into a bounded queue; a Worker of its own writes. When
//! nobody reads the other end of a pipe, the queue fills, further lines are dropped and counted, and requests go on.

mod layer;
mod line;
mod log;
mod log_error;
mod outputs;

pub use layer::LogLayer;
pub use log::Log;
pub use log_error::LogError;

//! The program: its command line, its signals, its end.
//!
//! Exit codes are etcd's: 0 after a signal, 1 when the start or the node fails, 2 when the command line cannot be read.

mod environment;
mod exit;
mod panics;
mod readiness;
mod run;
mod seams;
mod signals;

pub use run::run;

//! The program: its command line, its signals, its end.
//!
//! Exit codes of a server: 0 after a signal, after `--help` or `--version`, and when the member was removed from the
//! cluster; 1 when the start or the node fails or a second signal comes; 2 when the command line cannot be read. They
//! are etcd's, with two differences. After a signal etcd exits with 0 only if its process id is 1. Any other etcd
//! process sends itself the same signal again, which kills it. And etcd ignores a second signal while it stops.

mod environment;
mod exit;
mod panics;
mod readiness;
mod run;
mod signals;

pub use run::run;

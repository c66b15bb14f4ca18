//! The simulator: one whole node, its client and its crashes in one thread, decided by a seed.
//!
//! - [`run`]: one seed from start to end; [`fault`], [`disk_fault`]: what goes wrong, and when
//! - [`host`]: the node under simulated seams; [`net`], [`pipes`]: two simulated networks
//! - [`workload`], [`tenant`], [`chores`], [`doctor`]: clients that write, that live on leases, that compact and
//!   reconfigure, and that look at a node with a failing disk; [`calls`], [`calls_upkeep`]: what they ask
//! - [`record`], [`leases`]: what they asked and heard
//! - [`audit`]: reads everything that ever happened; [`check`]: what must hold of it
//! - [`trace`]: one line per call of the disk and of the clients
//!
//! Invariant: the same seed in a fresh process gives the same trace, byte for byte. Two runs in one process do not:
//! tokio counts its task ids on, and a crash drops tasks by their ids.

#[cfg(not(tokio_unstable))]
compile_error!(
    "the simulator needs `--cfg tokio_unstable` for a seeded wake order: an environment variable RUSTFLAGS \
     replaces the line in .cargo/config.toml"
);

pub mod audit;
pub mod calls;
pub mod calls_upkeep;
pub mod check;
pub mod chores;
pub mod disk_fault;
pub mod doctor;
pub mod fault;
pub mod host;
pub mod leases;
pub mod net;
pub mod pipes;
pub mod record;
pub mod run;
pub mod tenant;
pub mod trace;
pub mod workload;

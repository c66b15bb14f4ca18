//! The simulator: whole nodes, their clients and their faults in one thread. A seed decides everything that happens.
//!
//! - [`cluster`]: runs of several nodes; everything else here is for runs of one node, or for both kinds of runs
//! - [`run`]: one seed from start to end; [`seeds`]: many seeds, each in a process of its own; [`fault`], [`disk_fault`]: the faults, and when they happen
//! - [`host`]: the node on simulated seams; [`still`]: lets its process stand still; [`net`], [`pipes`]: two simulated networks
//! - [`workload`], [`tenant`], [`chores`], [`doctor`]: clients that write, that use leases, that compact and
//!   reconfigure, and that examine a node with a failing disk; [`calls`], [`calls_upkeep`]: the calls that they make
//! - [`record`], [`leases`]: the calls and their answers
//! - [`audit`]: reads the complete history; [`check`]: the rules that must hold for it
//! - [`trace`]: one line for each event, such as a call of the disk, a call of a client, or a fault
//! - [`process_clock`]: simulated time for code that asks the operating system
//!
//! Invariant: the same seed in a fresh process gives the same trace, byte for byte. Two runs in the same process never
//! do, because tokio keeps counting task ids, and a crash drops tasks in the order of their ids.

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
pub mod cluster;
pub mod disk_fault;
pub mod doctor;
pub mod fault;
pub mod host;
pub mod leases;
pub mod net;
pub mod pipes;
pub mod process_clock;
pub mod record;
pub mod run;
pub mod seeds;
pub mod still;
pub mod tenant;
pub mod trace;
pub mod workload;

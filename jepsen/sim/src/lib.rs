//! Runs a program's own state machine on three simulated nodes, and looks for what would go wrong in production.
//!
//! A seed decides everything that happens: the commands, the times of the messages, and the faults. Nodes are killed, lose
//! power together, are cut off from each other, and have slow disks that lose or tear what was not synced. The network, the
//! disks and the time are simulated; the rest is the code that runs in production.
//!
//! ```
//! use naxos::{Applicator, Refused, Rows};
//! use naxos_sim::Simulation;
//!
//! struct Counter;
//!
//! impl Applicator for Counter {
//!     fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
//!         let old = rows.get("total").map_or(Ok(0), |bytes| bytes[..].try_into().map(u64::from_le_bytes))?;
//!         let total = old + u64::from(*command.first().ok_or_else(|| Refused::because("an empty command"))?);
//!         rows.put("total", total.to_le_bytes());
//!         Ok(total.to_le_bytes().to_vec())
//!     }
//! }
//!
//! # fn main() {
//! Simulation::of(|| Counter).commands(|dice| vec![dice.below(10) as u8]).seeds(2).run();
//! # }
//! ```
//!
//! Use it in a `#[test]`. These rules are checked:
//!
//! 1. The state machine is deterministic: each replica gives the same answer and changes the same rows for a command, in the
//!    same order. This finds clocks, random numbers, a `HashMap` that is iterated, and state outside of the rows.
//! 2. Each command that was acknowledged is applied once, with the answer that its caller got, and after the commands
//!    that were acknowledged before it was proposed.
//! 3. At the end all replicas have the same rows: those that the commands give when they are applied once more, in their
//!    order, without a node.
//! 4. No node ends by itself, and the cluster works again soon after the last fault.
//! 5. What [`Simulation::invariant`] demands, and what runs beside the nodes ([`Simulation::beside`]).
//!
//! In a `#[test]`, each seed runs in a process of its own. To repeat a seed that failed, for example seed 7, use
//! `NAXOS_SIM_SEED=7 cargo test the_test`.
//! tokio needs the option `--cfg tokio_unstable`, so that a seed gives the same run each time. Without this option the
//! crate does not compile. Put it into `.cargo/config.toml`:
//!
//! ```toml
//! [build]
//! rustflags = ["--cfg", "tokio_unstable"]
//! rustdocflags = ["--cfg", "tokio_unstable"]
//! ```
//!
//! - [`Simulation`]: what a test sets; `program`: the part of it that each node needs; [`Dice`]: random choices
//! - `children`: a process for each seed; `seed`: one seed from start to end
//! - `member`: one node and its client; `faults`: what happens to the nodes
//! - `recorder`: sees what the state machine does; `recording`: the rows that one command changes; `effect`: what it did;
//!   `history`: what all commands did, and the rules
//! - [`world`](fn@world): a simulated network; [`TurmoilNet`]: how a node uses it

#![warn(missing_docs)]

#[cfg(not(tokio_unstable))]
compile_error!(
    "the simulator needs `--cfg tokio_unstable` for a seeded wake order: put it into rustflags and rustdocflags in \
     .cargo/config.toml. If the environment variable RUSTFLAGS is set, cargo ignores the rustflags of that file"
);

mod children;
mod dice;
mod effect;
mod faults;
mod history;
mod member;
mod net;
mod program;
mod recorder;
mod recording;
mod seed;
mod simulation;
mod world;

pub use dice::Dice;
pub use faults::FAULTS_END;
pub use member::elapsed;
pub use net::TurmoilNet;
pub use simulation::Simulation;
pub use world::{EPOCH, LATENCY_MAX, world};

/// The examples of the README run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Replicated objects on the production stack, over a memory log and simulated disks.

#![expect(clippy::disallowed_methods, reason = "tests wait for real checkpoints, and their tasks end with the test")]
#![expect(unreachable_pub, reason = "the modules are part of the test binary")]

mod bad_input;
mod bank;
mod concurrent;
mod golden;
mod golden_bytes;
mod history;
mod limits;
mod model;
mod replica;
mod restart;
mod serial;
mod subscriptions;
mod tables;
mod transactions;
mod types;

//! Nodes that call each other, in one thread under simulated time: what happens when a peer is wrong, slow or gone.
#![cfg(all(feature = "peer", feature = "sim"))]

mod checksums;
mod envelope;
mod fake_sequencer;
mod fake_unit;
mod given_up;
mod lost_tasks;
mod meta;
mod sequencer;
mod synced;
mod unit;
mod world;

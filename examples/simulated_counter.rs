//! A test of a state machine on three simulated nodes, with crashes, partitions and torn disks.
//!
//! Run it with `cargo run -p naxos-sim --example simulated_counter`. In your own project, write
//! the body of `main` as a `#[test]`.

use naxos::{Applicator, Refused, Rows};
use naxos_sim::Simulation;

/// A counter that only rises.
struct Counter;

impl Applicator for Counter {
    fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
        let old = rows.get("total").map_or(Ok(0), |bytes| bytes[..].try_into().map(u64::from_le_bytes))?;
        let total = old + u64::from(*command.first().ok_or_else(|| Refused::because("an empty command"))?);
        rows.put("total", total.to_le_bytes());
        Ok(total.to_le_bytes().to_vec())
    }
}

fn main() {
    Simulation::of(|| Counter)
        .commands(|dice| vec![1 + dice.below(9) as u8])
        .invariant(|rows| match rows.get("total") {
            Some(total) if total.iter().all(|byte| *byte == 0) => Err("a command has added nothing".to_owned()),
            _ => Ok(()),
        })
        .seeds(3)
        .run();
}

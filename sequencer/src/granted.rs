//! [`Granted`]: how far a sequencer has got with a loglet.

use naxos_proto::ids::{LogletId, Offset};

/// The offsets of one loglet, as its sequencer sees them at one moment. For probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The loglet.
    pub loglet: LogletId,
    /// The next offset that will be given out.
    pub next: Offset,
    /// How many batches wait for the units. A sequencer that only gives out offsets has none.
    pub in_flight: usize,
    /// How many batches may wait.
    pub in_flight_max: usize,
}

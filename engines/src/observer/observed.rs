//! [`Observed`]: what is known about one engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use naxos_proto::seams::Clock;

use super::durations::Durations;
use crate::engine::EngineSwitch;

/// What the observer above one engine has measured since the start of the process.
pub struct Observed {
    /// The name of the engine.
    pub engine: &'static str,
    /// From a proposal on its way down to its outcome.
    pub propose: Durations,
    /// From a sync to its answer.
    pub sync: Durations,
    /// Apply of one entry.
    pub apply: Durations,
    in_flight: AtomicU64,
    pub(super) switch: EngineSwitch,
    pub(super) clock: Arc<dyn Clock>,
}

impl Observed {
    /// Nothing is measured yet about `engine`. `switch` is that of the Observer.
    pub fn new(engine: &'static str, switch: EngineSwitch, clock: Arc<dyn Clock>) -> Arc<Self> {
        let (propose, sync, apply) = Default::default();
        Arc::new(Self { engine, propose, sync, apply, in_flight: AtomicU64::new(0), switch, clock })
    }

    /// How many proposals that the engine got have no outcome yet, of those that were measured.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn sets_out(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn settles(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

//! [`Deeds`]: what a disturbance has done.

use serde::Serialize;

/// What a disturbance has done in one window.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Deeds {
    /// How often the disturbance was completed.
    pub finished: u32,
    /// How long each completed one took, in seconds.
    pub seconds: Vec<f64>,
    /// Number of events that the watchers received while catching up. Those of a watcher that did not finish count too.
    pub events: u64,
}

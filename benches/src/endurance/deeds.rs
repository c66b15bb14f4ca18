//! [`Deeds`]: what a disturbance has done.

use serde::Serialize;

/// What a disturbance has done in one window.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Deeds {
    /// How often it was completed.
    pub finished: u32,
    /// How long each took, in seconds.
    pub seconds: Vec<f64>,
    /// Number of events that the watchers received while catching up, including unfinished ones.
    pub events: u64,
}

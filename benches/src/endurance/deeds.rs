//! [`Deeds`]: what a disturbance did.

use serde::Serialize;

/// What was done in one window.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Deeds {
    /// How often it was done to the end.
    pub finished: u32,
    /// How long each took, in seconds.
    pub seconds: Vec<f64>,
    /// Events that catching up took in, unfinished ones too.
    pub events: u64,
}

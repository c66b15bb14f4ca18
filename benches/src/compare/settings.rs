//! [`Settings`]: how the rows are run.

use std::time::Duration;

use serde::Serialize;

use crate::servers::Candidate;

/// The settings with which the rows are run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Settings {
    pub nodes: usize,
    pub servers: Vec<Candidate>,
    pub rounds: usize,
    pub duration: Duration,
    pub warm_up: Duration,
    pub page_keys: u64,
    pub value_bytes: usize,
    pub generator_threads: usize,
}

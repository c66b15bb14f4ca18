//! [`Effect`]: what a command did.

use bytes::Bytes;
use naxos::Refused;

/// What a command did: its answer, or why it was refused, and the rows that it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) answer: Result<Vec<u8>, String>,
    pub(crate) changes: Vec<(Bytes, Option<Bytes>)>,
}

impl Effect {
    pub(crate) fn of(answer: Result<Vec<u8>, Refused>, changes: Vec<(Bytes, Option<Bytes>)>) -> Self {
        Self { answer: answer.map_err(|refused| refused.0), changes }
    }
}

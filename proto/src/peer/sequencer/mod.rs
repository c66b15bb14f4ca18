//! The contract [`Sequencer`](crate::contracts::Sequencer) between nodes: [`RemoteSequencer`] calls,
//! [`SequencerService`] serves.
//!
//! Appends go over one stream (a [`lane`](super::lane)), because their order is the order in the log. The other calls
//! are rare, and are calls of their own.

mod appends;
mod protocol;
mod service;
mod stub;

pub use service::SequencerService;
pub use stub::RemoteSequencer;

//! What two Naxos processes must agree on.
//!
//! - [`seams`]: clock, entropy, network, disk and threads, real and simulated

pub mod seams;

//! Tests that every implementation of a contract of this crate must pass.

mod loglet;

pub use loglet::{LogletSubject, loglet};

//! What every implementation of a contract of this crate must do.

mod loglet;

pub use loglet::{LogletSubject, loglet};

//! The long runs: a server after an hour, beside its own housekeeping, and with a million keys.

mod deeds;
pub mod disturb;
mod disturbance;
mod flatness;
mod lists;
pub mod million;
pub mod soak;

//! The long runs: the memory and disk use of a server over time, its latency while it is disturbed (for example by
//! compaction), and its memory use and restart time with a million keys.

mod deeds;
pub mod disturb;
mod disturbance;
mod flatness;
mod lists;
pub mod million;
pub mod soak;

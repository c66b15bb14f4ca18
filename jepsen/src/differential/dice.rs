//! [`Dice`]: random choices that a seed decides.

pub use naxos_sim::Dice;

/// The seed in the environment variable `NAXOS_SEED`. If the variable is not set, a seed made from the wall clock.
///
/// # Panics
/// If the variable is not a number.
#[expect(clippy::disallowed_methods, reason = "a fresh seed per run; it is printed and can be replayed")]
pub fn seed_of_this_run() -> u64 {
    match std::env::var("NAXOS_SEED") {
        Ok(text) => text.parse().expect("NAXOS_SEED is a number"),
        Err(_) => std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_micros() as u64),
    }
}

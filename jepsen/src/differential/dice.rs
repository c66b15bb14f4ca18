//! Random choices that a seed decides.

use naxos_proto::splitmix::SplitMix64;

/// A source of choices. The same seed gives the same run on every machine and in every release.
#[derive(Debug, Clone)]
pub struct Dice {
    generator: SplitMix64,
}

impl Dice {
    /// A source that makes the same choices for the same seed.
    pub fn new(seed: u64) -> Self {
        Dice { generator: SplitMix64::new(seed) }
    }

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

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.generator.draw()
    }

    /// A number from 0 up to but not including `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit.max(1)
    }

    /// Like [`Dice::below`], but with signed numbers, because revisions and limits are signed.
    pub fn below_signed(&mut self, limit: i64) -> i64 {
        self.below(limit.max(1).unsigned_abs()) as i64
    }

    /// True `percent` times in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of the items.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }
}

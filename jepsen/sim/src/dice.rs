//! [`Dice`]: random choices that a seed decides.

use naxos_proto::splitmix::SplitMix64;

/// A source of choices. The same seed gives the same choices on every machine and in every release.
#[derive(Debug, Clone)]
pub struct Dice {
    generator: SplitMix64,
}

impl Dice {
    /// A source that makes the same choices for the same seed.
    pub fn new(seed: u64) -> Self {
        Dice { generator: SplitMix64::new(seed) }
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.generator.draw()
    }

    /// A number from 0 up to but not including `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit.max(1)
    }

    /// Like [`Dice::below`], with signed numbers.
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

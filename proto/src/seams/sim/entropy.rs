//! [`SeededEntropy`]: a random generator whose output depends only on its seed.

use parking_lot::Mutex;

use crate::seams::Entropy;
use crate::splitmix::SplitMix64;

/// [`SplitMix64`] behind a lock.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<SplitMix64>);

impl SeededEntropy {
    /// A generator with this seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(SplitMix64::new(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) {
        let mut generator = self.0.lock();
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&generator.draw().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides() {
        let draw = |seed| {
            let e = SeededEntropy::new(seed);
            [e.u64(), e.u64(), e.id()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}

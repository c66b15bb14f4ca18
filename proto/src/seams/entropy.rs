//! Randomness for ids, nonces and jitter. Code that applies log entries never uses it (safety rule 9).

/// A source of random bytes.
pub trait Entropy: Send + Sync {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);

    /// A uniform `u64`.
    fn u64(&self) -> u64 {
        let mut b = [0; 8];
        self.fill(&mut b);
        u64::from_le_bytes(b)
    }

    /// A uniform `u64` that is not zero, for ids, where zero means "none".
    fn id(&self) -> u64 {
        loop {
            let n = self.u64();
            if n != 0 {
                return n;
            }
        }
    }
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, out: &mut [u8]) {
        getrandom::fill(out).expect("the operating system has a random generator");
    }
}

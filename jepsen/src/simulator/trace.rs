//! [`Trace`]: everything that happened in a run, one line for each event, with the simulated time in microseconds.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

/// The first value of FNV-1a for 64 bits (Fowler, Noll, Vo).
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
/// The factor of FNV-1a for 64 bits.
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// The lines of one run. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    text: String,
    count: u64,
    /// The simulated time for lines that the driver adds between two steps. No host is current then, so turmoil does
    /// not tell the time.
    between: Duration,
}

impl Trace {
    /// Adds a line.
    pub fn line(&self, line: &str) {
        let mut lines = self.0.lock();
        let at = turmoil::sim_elapsed().unwrap_or(lines.between);
        lines.count += 1;
        // Writing to a String does not fail.
        let _ = writeln!(lines.text, "{:>9} {line}", at.as_micros());
    }

    /// Sets the time for lines of the driver, which is not a host.
    pub fn set_between(&self, at: Duration) {
        self.0.lock().between = at;
    }

    /// All lines.
    pub fn text(&self) -> String {
        self.0.lock().text.clone()
    }

    /// Number of lines.
    pub fn count(&self) -> u64 {
        self.0.lock().count
    }

    /// The FNV-1a hash of all lines.
    pub fn hash(&self) -> u64 {
        fnv(self.0.lock().text.as_bytes())
    }
}

/// The simulated time. Zero if the caller does not run in a simulated host.
pub fn simulated_now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// The FNV-1a hash of `bytes`.
pub fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv_gives_its_published_values() {
        assert_eq!(fnv(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv(b"foobar"), 0x8594_4171_f739_67e8);
    }
}

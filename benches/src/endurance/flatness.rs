//! Whether a series of samples has stopped growing.

use serde::Serialize;

/// The late peak may be at most this many times the early one.
const GROWTH_MAX: f64 = 1.10;

/// Growth of at most this many bytes is noise: one more arena of the allocator or one more segment of the log.
const NOISE_BYTES: u64 = 64 << 20;

/// The highest samples in the second and in the last quarter of the run. Memory and disk use rise and fall all the
/// time, so only the peaks can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Flatness {
    /// Highest sample of the second quarter, in bytes.
    pub early_bytes: u64,
    /// Highest sample of the last quarter, in bytes.
    pub late_bytes: u64,
    /// Whether the late one is hardly higher than the early one.
    pub flat: bool,
}

/// Judges samples that were taken at equal intervals. `None` if there are fewer than four.
pub(super) fn judge(samples: &[u64]) -> Option<Flatness> {
    let quarter = samples.len() / 4;
    let early = *samples.get(quarter..2 * quarter)?.iter().max()?;
    let late = *samples.get(samples.len() - quarter..)?.iter().max()?;
    let flat = late as f64 <= early as f64 * GROWTH_MAX || late <= early + NOISE_BYTES;
    Some(Flatness { early_bytes: early, late_bytes: late, flat })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_saw_tooth_is_flat_and_a_ramp_is_not() {
        let tooth: Vec<u64> = (0..40).map(|n| (500 + 50 * (n % 5)) * MIB).collect();
        let ramp: Vec<u64> = (0..40).map(|n| (500 + 50 * n) * MIB).collect();
        assert!(judge(&tooth).unwrap().flat);
        assert!(!judge(&ramp).unwrap().flat);
        assert_eq!(judge(&[1, 2, 3]), None);
    }
}

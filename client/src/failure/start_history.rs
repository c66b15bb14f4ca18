//! [`StartHistory`]: the starts that a data directory remembers of itself.

use std::collections::BTreeMap;

use naxos_proto::contracts::StartMark;
use naxos_proto::ids::Boot;

/// The number of starts that are remembered. They are the latest ones.
const STARTS_MAX: usize = 4_096;

/// The marks of the starts on a data directory, as the directory itself remembers them. A copy of the directory never
/// has the marks of later starts on the original, however often the copy itself is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartHistory(BTreeMap<Boot, u64>);

impl StartHistory {
    /// Adds a start. Forgets the earliest one if there are too many.
    pub fn add(&mut self, start: StartMark) {
        self.0.insert(start.boot, start.nonce);
        if self.0.len() > STARTS_MAX {
            self.0.pop_first();
        }
    }

    /// The starts, the earliest one first.
    pub fn starts(&self) -> impl Iterator<Item = StartMark> {
        self.0.iter().map(|(boot, nonce)| StartMark { boot: *boot, nonce: *nonce })
    }

    /// Whether the directory knows the start `noted`, which another node has noted for this directory. A start that is
    /// so early that it was forgotten counts as known.
    pub fn knows(&self, noted: StartMark) -> bool {
        let is_forgotten =
            self.0.len() == STARTS_MAX && self.0.first_key_value().is_some_and(|(first, _)| noted.boot < *first);
        is_forgotten || self.0.get(&noted.boot) == Some(&noted.nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(boot: u64, nonce: u64) -> StartMark {
        StartMark { boot: Boot(boot), nonce }
    }

    #[test]
    fn a_copy_never_knows_what_came_after_it() {
        let mut original = StartHistory::default();
        original.add(start(1, 10));
        let mut copy = original.clone();
        original.add(start(2, 20));
        for again in 2..6 {
            copy.add(start(again, 30 + again));
            assert!(!copy.knows(start(2, 20)), "after start {again} of the copy");
        }
        original.add(start(3, 40));
        assert!(original.knows(start(2, 20)) && original.knows(start(1, 10)) && original.knows(start(3, 40)));
        assert!(!original.knows(start(4, 50)), "a start that is later than its own");
    }

    #[test]
    fn it_is_bounded_and_a_start_that_was_forgotten_counts_as_known() {
        let mut history = StartHistory::default();
        for boot in 1..=STARTS_MAX as u64 + 5 {
            history.add(start(boot, boot));
        }
        assert_eq!(history.starts().count(), STARTS_MAX);
        assert!(history.knows(start(3, 99)), "it was forgotten");
        assert!(!history.knows(start(6, 99)));
    }
}

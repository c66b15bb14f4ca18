//! [`StartMark`]: tells the starts of a node apart.

use std::fmt;

use crate::ids::Boot;

/// One start of a node on a data directory. The boot count alone does not tell two processes apart that start from copies
/// of one directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartMark {
    /// Boot count of the data directory when the process started.
    pub boot: Boot,
    /// Drawn at random at the start.
    pub nonce: u64,
}

impl StartMark {
    /// Whether the start `noted` shows that a process with this mark must not run. It shows this if the data directory
    /// of the process does not know of the start `noted`. Then the directory is a copy, or it was restored from one.
    pub fn is_outdated_by(self, noted: StartMark) -> bool {
        noted.boot > self.boot || (noted.boot == self.boot && noted.nonce != self.nonce)
    }
}

impl fmt::Display for StartMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:08x})", self.boot, self.nonce >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_start_and_another_start_with_the_same_count_outdate_a_process() {
        let mark = |boot, nonce| StartMark { boot: Boot(boot), nonce };
        assert!(mark(3, 9).is_outdated_by(mark(4, 1)));
        assert!(mark(3, 9).is_outdated_by(mark(3, 1)), "a copy was started, too");
        assert!(!mark(3, 9).is_outdated_by(mark(3, 9)));
        assert!(!mark(3, 9).is_outdated_by(mark(2, 1)));
    }
}

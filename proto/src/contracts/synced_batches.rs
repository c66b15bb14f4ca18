//! [`SyncedBatches`]: what one node was told of another one's journal.

use crate::ids::Boot;

/// How many batches a node's journal had, all of them durable, as the node told another one. The number counts from the
/// first batch of the data directory on and only rises. So a process that finds fewer batches in its journal than an
/// earlier process on the same directory has told has lost some of them (`docs/protocol.md`, cluster 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncedBatches {
    /// The latest process that told a number.
    pub boot: Boot,
    /// The highest number that this process told.
    pub count: u64,
    /// The highest number that any process before it told. Zero if none did.
    pub earlier: u64,
}

impl SyncedBatches {
    /// The number that the process with boot count `boot` told, when nothing was heard before.
    pub fn first(boot: Boot, count: u64) -> Self {
        Self { boot, count, earlier: 0 }
    }

    /// Takes note of a number. Messages may arrive in any order.
    pub fn note(&mut self, boot: Boot, count: u64) {
        if boot > self.boot {
            *self = Self { boot, count, earlier: self.earlier.max(self.count) };
        } else if boot == self.boot {
            self.count = self.count.max(count);
        } else {
            self.earlier = self.earlier.max(count);
        }
    }

    /// The highest number that processes before `boot` told.
    pub fn before(&self, boot: Boot) -> u64 {
        if boot > self.boot { self.earlier.max(self.count) } else { self.earlier }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_processes_told_is_kept_apart() {
        let mut told = SyncedBatches::first(Boot(3), 10);
        told.note(Boot(3), 9);
        assert_eq!((told.count, told.before(Boot(4)), told.before(Boot(3))), (10, 10, 0));
        told.note(Boot(4), 8);
        assert_eq!(told, SyncedBatches { boot: Boot(4), count: 8, earlier: 10 });
        told.note(Boot(3), 12);
        told.note(Boot(4), 11);
        assert_eq!((told.before(Boot(4)), told.before(Boot(5))), (12, 12));
        told.note(Boot(4), 13);
        assert_eq!((told.before(Boot(4)), told.before(Boot(5))), (12, 13));
    }
}

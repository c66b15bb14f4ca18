//! [`SyncedBatches`]: what one node was told of another one's journal.

use crate::ids::Boot;

/// How many batches a node's journal had, all of them durable, as the node told another one. The number counts from the
/// first batch of the data directory on and only rises. So if a process finds fewer batches in its journal than an
/// earlier process on the same directory has told, some of them are lost (`docs/protocol.md`, cluster 15).
///
/// Each start writes at least one batch before it hears anything from others, even a start that ended early. Only the
/// number of batches is compared, so such a batch could hide a lost one. So for each process between the one that told
/// the number and the one that looks, one more batch has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncedBatches {
    /// The latest process that told a number.
    pub boot: Boot,
    /// The highest number that this process told.
    pub count: u64,
    /// The number of batches that this process must have found, because earlier processes told numbers. Zero if no
    /// earlier process told one.
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
            *self = Self { boot, count, earlier: self.owed(boot) };
        } else if boot == self.boot {
            self.count = self.count.max(count);
        } else {
            self.earlier = self.earlier.max(Self::first(boot, count).owed(self.boot));
        }
    }

    /// The number of batches that the process with boot count `boot` must have found, because earlier processes told
    /// numbers. Zero if a later process is known: then the marks of the starts decide.
    pub fn owed(&self, boot: Boot) -> u64 {
        let Some(later) = boot.0.checked_sub(self.boot.0) else { return 0 };
        // The latest process may have written more batches than it told. Only those that it told count here.
        let told = later.checked_sub(1).map_or(0, |between| self.count.saturating_add(between));
        let earlier = if self.earlier == 0 { 0 } else { self.earlier.saturating_add(later) };
        told.max(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_processes_told_is_kept_apart() {
        let mut told = SyncedBatches::first(Boot(3), 10);
        told.note(Boot(3), 9);
        assert_eq!((told.count, told.owed(Boot(4)), told.owed(Boot(3)), told.owed(Boot(2))), (10, 10, 0, 0));
        told.note(Boot(4), 8);
        assert_eq!(told, SyncedBatches { boot: Boot(4), count: 8, earlier: 10 });
        told.note(Boot(3), 12);
        told.note(Boot(4), 11);
        assert_eq!((told.owed(Boot(4)), told.owed(Boot(5))), (12, 13));
        told.note(Boot(4), 20);
        assert_eq!((told.owed(Boot(4)), told.owed(Boot(5))), (12, 20));
    }

    #[test]
    fn starts_that_ended_early_hide_no_lost_batch() {
        // Process 3 told 100, and one of these batches is lost. Each start after it writes one.
        let mut told = SyncedBatches::first(Boot(3), 100);
        assert_eq!((told.owed(Boot(4)), told.owed(Boot(5)), told.owed(Boot(9))), (100, 101, 105));
        told.note(Boot(4), 100);
        assert_eq!((told.earlier, told.owed(Boot(5)), told.owed(Boot(6))), (100, 101, 102));
        let mut late = SyncedBatches::first(Boot(6), 50);
        late.note(Boot(3), 100);
        assert_eq!((late.earlier, late.owed(Boot(7))), (102, 103));
    }
}

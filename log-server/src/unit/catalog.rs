//! [`Catalog`]: everything that a unit knows, except for the cells.

use std::collections::{BTreeMap, BTreeSet};

use naxos_proto::contracts::{UnitError, UnitParams};
use naxos_proto::ids::{Boot, LogId, LogletId};

use crate::unit::{Change, Loglet, RaftLog};

/// Loglets, tombstones, boot count and raft log. The preamble at the head of each journal segment repeats all of it,
/// except for [`Loglet::written`], which a start rebuilds from the cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Catalog {
    /// How many times a process has started on this data directory.
    pub(crate) boot: Boot,
    /// The loglets that exist.
    pub(crate) loglets: BTreeMap<LogletId, Loglet>,
    /// The dropped loglets (tombstones), except for those that [`Self::floors`] covers.
    pub(crate) dropped: BTreeSet<LogletId>,
    /// For each log the ordinal below which all its loglets are dropped.
    pub(crate) floors: BTreeMap<LogId, u64>,
    /// The raft log of the MetaStore replica.
    pub(crate) raft: RaftLog,
}

impl Catalog {
    /// Whether `id` was dropped. It then stays sealed for ever.
    pub(crate) fn is_dropped(&self, id: LogletId) -> bool {
        self.dropped.contains(&id) || self.floors.get(&id.log).is_some_and(|floor| id.ordinal < *floor)
    }

    /// The loglet, if it was opened here and not dropped.
    pub(crate) fn loglet(&mut self, id: LogletId) -> Result<&mut Loglet, UnitError> {
        if self.is_dropped(id) {
            return Err(UnitError::Dropped(id));
        }
        self.loglets.get_mut(&id).ok_or(UnitError::NotOpen(id))
    }

    /// Whether a change has to be written to open the loglet. False if it exists already with equal parameters.
    ///
    /// # Errors
    ///
    /// `Dropped` if the loglet was dropped; `WrongIncarnation` or `Invalid` if it exists with other parameters.
    pub(crate) fn check_open(&self, id: LogletId, params: UnitParams) -> Result<bool, UnitError> {
        if self.is_dropped(id) {
            return Err(UnitError::Dropped(id));
        }
        let Some(have) = self.loglets.get(&id) else { return Ok(true) };
        have.check_incarnation(id, params.incarnation)?;
        if have.params.shape != params.shape {
            return Err(UnitError::Invalid("the loglet exists here with another shape"));
        }
        Ok(false)
    }

    /// Carries out `change`.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Open(id, params) => {
                if !self.is_dropped(*id) {
                    self.loglets.entry(*id).or_insert_with(|| Loglet::new(*params));
                }
            }
            Change::Seal(id) => {
                if let Some(loglet) = self.loglets.get_mut(id) {
                    loglet.sealed = true;
                }
            }
            Change::Trim(id, up_to) => {
                if let Some(loglet) = self.loglets.get_mut(id) {
                    loglet.trim(*up_to);
                }
            }
            Change::Drop(id) => {
                self.loglets.remove(id);
                if !self.is_dropped(*id) {
                    self.dropped.insert(*id);
                }
            }
            Change::Floor(log, ordinal) => self.raise_floor(*log, *ordinal),
            Change::Boot(boot) => self.boot = self.boot.max(*boot),
            Change::Raft(change) => self.raft.apply(change),
        }
    }

    fn raise_floor(&mut self, log: LogId, ordinal: u64) {
        let floor = self.floors.entry(log).or_default();
        *floor = ordinal.max(*floor);
        let floor = *floor;
        let below = |id: &LogletId| id.log == log && id.ordinal < floor;
        self.loglets.retain(|id, _| !below(id));
        self.dropped.retain(|id| !below(id));
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::contracts::Shape;
    use naxos_proto::ids::{Incarnation, Offset, StorageId};

    use super::*;

    fn id(ordinal: u64, nonce: u64) -> LogletId {
        LogletId { log: LogId(1), ordinal, nonce }
    }

    fn params(boot: u64) -> UnitParams {
        let incarnation = Incarnation { storage: StorageId(1), boot: Boot(boot) };
        UnitParams { shape: Shape::Contiguous, incarnation }
    }

    #[test]
    fn opening_again_with_equal_parameters_is_no_change() {
        let mut c = Catalog::default();
        assert_eq!(c.check_open(id(1, 1), params(1)), Ok(true));
        c.apply(&Change::Open(id(1, 1), params(1)));
        assert_eq!(c.check_open(id(1, 1), params(1)), Ok(false));
        assert!(matches!(c.check_open(id(1, 1), params(2)), Err(UnitError::WrongIncarnation { .. })));
        let sparse = UnitParams { shape: Shape::Sparse, ..params(1) };
        assert!(matches!(c.check_open(id(1, 1), sparse), Err(UnitError::Invalid(_))));
    }

    #[test]
    fn rule_5_a_dropped_loglet_stays_sealed_for_ever() {
        let mut c = Catalog::default();
        c.apply(&Change::Open(id(1, 1), params(1)));
        c.apply(&Change::Drop(id(1, 1)));
        c.apply(&Change::Open(id(1, 1), params(1)));
        assert_eq!(c.loglet(id(1, 1)), Err(UnitError::Dropped(id(1, 1))));
        assert_eq!(c.check_open(id(1, 1), params(1)), Err(UnitError::Dropped(id(1, 1))));
        // Two nodes may create a loglet with the same ordinal at the same time, each with its own nonce. The loser's is
        // dropped. That must not affect the winner's.
        assert_eq!(c.loglet(id(1, 2)), Err(UnitError::NotOpen(id(1, 2))));
    }

    #[test]
    fn a_floor_swallows_tombstones_and_loglets_below_it() {
        let mut c = Catalog::default();
        for n in 1..=4 {
            c.apply(&Change::Open(id(n, n), params(1)));
        }
        c.apply(&Change::Drop(id(1, 1)));
        c.apply(&Change::Drop(id(3, 3)));
        c.apply(&Change::Floor(LogId(1), 3));
        assert_eq!(c.dropped.len(), 1);
        assert_eq!(c.loglets.keys().map(|l| l.ordinal).collect::<Vec<_>>(), [4]);
        assert!(c.is_dropped(id(2, 99)));
        c.apply(&Change::Floor(LogId(1), 2));
        assert!(c.is_dropped(id(2, 99)), "a floor never falls");
        assert!(!c.is_dropped(LogletId { log: LogId(2), ordinal: 1, nonce: 1 }));
    }

    #[test]
    fn changes_that_are_applied_again_change_nothing() {
        let changes = [
            Change::Boot(Boot(3)),
            Change::Open(id(1, 1), params(1)),
            Change::Open(id(2, 1), params(1)),
            Change::Trim(id(1, 1), Offset(4)),
            Change::Seal(id(1, 1)),
            Change::Drop(id(2, 1)),
        ];
        let mut once = Catalog::default();
        changes.iter().for_each(|c| once.apply(c));
        let mut twice = once.clone();
        changes.iter().for_each(|c| twice.apply(c));
        assert_eq!(once, twice);
    }
}

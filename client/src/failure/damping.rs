//! [`Damping`]: how long a change waits after it became due. Nothing here reads a clock or calls another node.
//!
//! 1. A change without which nobody can append is made at once, and so is one that leaves out the unit of a removed member.
//!    The lowest node that is alive acts first, and each further node acts a little later, so that normally only one node
//!    acts. If this node makes one such change after the other, they do not help: nodes that do not hear each other undo
//!    each other's changes. Then each further change waits longer.
//! 2. Other changes gain little by haste, and each costs a short pause of the appends. So the cause must have lasted
//!    for a while before the change is made. Each such change, and each attempt that failed, doubles the time that the
//!    next one has to wait, up to a limit. While no such change is made or tried, this time becomes shorter again.

use std::collections::VecDeque;
use std::time::Duration;

use naxos_proto::seams::Instant;

use super::due_change::DueChange;

/// How much later each further node acts than the one before it.
const STAGGER: Duration = Duration::from_millis(100);
/// How long the cause of a change that is not urgent must last at first.
const PATIENCE_MIN: Duration = Duration::from_secs(1);
/// The longest that such a cause must last.
const PATIENCE_MAX: Duration = Duration::from_secs(60);

/// If at most this many urgent changes were made within the last [`URGENT_WITHIN`], the next one is made at once.
const URGENT_FREE: u32 = 3;
const URGENT_WITHIN: Duration = Duration::from_secs(10);
/// How long an urgent change waits if one more than [`URGENT_FREE`] were made. Each further one waits twice as long as
/// the one before.
const URGENT_WAIT_MIN: Duration = Duration::from_millis(200);
/// The number of urgent changes that are remembered. After this many the wait is at its longest.
const URGENT_KEPT: usize = 9;
/// The longest that an urgent change waits.
const URGENT_WAIT_MAX: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(super) struct Damping {
    /// The change that is due, and since when.
    due: Option<(DueChange, Instant)>,
    patience: Duration,
    /// When the last change that was not urgent was made or tried.
    last_calm: Option<Instant>,
    /// When the last urgent changes were made, oldest first; at most [`URGENT_KEPT`].
    urgent: VecDeque<Instant>,
}

impl Damping {
    pub(super) fn new() -> Self {
        Self { due: None, patience: PATIENCE_MIN, last_calm: None, urgent: VecDeque::new() }
    }

    /// Takes note of the change that is due at `now`. Returns it if it is to be made now by the node that is number
    /// `rank` of those alive, counted from 0.
    pub(super) fn note(&mut self, due: Option<DueChange>, rank: usize, now: Instant) -> Option<DueChange> {
        let since = match (due, self.due) {
            (None, _) => {
                self.due = None;
                return None;
            }
            (Some(change), Some((known, since))) if known == change => since,
            (Some(change), _) => {
                self.due = Some((change, now));
                now
            }
        };
        let is_urgent = due.is_some_and(DueChange::is_urgent);
        let calm = if is_urgent { self.urgent_wait(now) } else { self.patience };
        let turn = STAGGER * u32::try_from(rank).unwrap_or(u32::MAX);
        due.filter(|_| now.since(since) >= calm.saturating_add(turn))
    }

    /// How long an urgent change waits at `now`.
    fn urgent_wait(&self, now: Instant) -> Duration {
        let recent = self.urgent.iter().filter(|at| now.since(**at) < URGENT_WITHIN).count();
        let more = u32::try_from(recent).unwrap_or(u32::MAX).saturating_sub(URGENT_FREE);
        match more.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => URGENT_WAIT_MAX.min(URGENT_WAIT_MIN * 2_u32.saturating_pow(doublings)),
        }
    }

    /// Takes note that `change` was tried at `now`, and was not made.
    pub(super) fn tried(&mut self, change: DueChange, now: Instant) {
        self.due = None;
        if !change.is_urgent() {
            self.be_more_patient(now);
        }
    }

    /// Takes note that `change` was made at `now`.
    pub(super) fn made(&mut self, change: DueChange, now: Instant) {
        self.due = None;
        if !change.is_urgent() {
            return self.be_more_patient(now);
        }
        if self.urgent.len() == URGENT_KEPT {
            self.urgent.pop_front();
        }
        self.urgent.push_back(now);
    }

    fn be_more_patient(&mut self, now: Instant) {
        // The patience halves each time that four times its length has passed without a change.
        let quiet = self.last_calm.map_or(Duration::MAX, |at| now.since(at));
        let mut patience = self.patience;
        let mut left = quiet;
        while patience > PATIENCE_MIN && left > patience * 4 {
            left -= patience * 4;
            patience = PATIENCE_MIN.max(patience / 2);
        }
        self.patience = PATIENCE_MAX.min(patience * 2);
        self.last_calm = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::StorageId;

    use super::*;

    const LOST: DueChange = DueChange::SequencerLost(StorageId(1));
    const BACK: DueChange = DueChange::UnitMissing(StorageId(3));

    fn at(millis: u64) -> Instant {
        Instant(millis * 1_000_000)
    }

    #[test]
    fn the_lowest_node_replaces_a_lost_sequencer_at_once_and_the_others_follow_later() {
        let mut first = Damping::new();
        assert_eq!(first.note(Some(LOST), 0, at(0)), Some(LOST));
        let mut third = Damping::new();
        assert_eq!(third.note(Some(LOST), 2, at(0)), None);
        assert_eq!(third.note(Some(LOST), 2, at(199)), None);
        assert_eq!(third.note(Some(LOST), 2, at(200)), Some(LOST));
    }

    #[test]
    fn urgent_changes_that_undo_each_other_wait_longer_and_longer() {
        let mut damping = Damping::new();
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..8 {
            let began = now;
            while damping.note(Some(LOST), 0, at(now)).is_none() {
                now += 50;
            }
            damping.made(LOST, at(now));
            waits.push(now - began);
        }
        assert_eq!(waits, [0, 0, 0, 0, 200, 400, 800, 1_600]);
        now += 10_000;
        assert_eq!(damping.note(Some(LOST), 0, at(now)), Some(LOST), "after a quiet time it is as at first");
        for _ in 0..20 {
            damping.tried(LOST, at(now));
            assert_eq!(damping.note(Some(LOST), 0, at(now)), Some(LOST), "a change that was not made costs nothing");
        }
    }

    #[test]
    fn a_cause_that_goes_away_changes_nothing() {
        let mut damping = Damping::new();
        assert_eq!(damping.note(Some(BACK), 0, at(0)), None);
        assert_eq!(damping.note(None, 0, at(900)), None);
        assert_eq!(damping.note(Some(BACK), 0, at(1_000)), None);
        assert_eq!(damping.note(Some(BACK), 0, at(1_999)), None);
        assert_eq!(damping.note(Some(BACK), 0, at(2_000)), Some(BACK));
    }

    #[test]
    fn a_node_that_comes_and_goes_is_waited_for_longer_each_time() {
        let mut damping = Damping::new();
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..8 {
            let began = now;
            while damping.note(Some(BACK), 0, at(now)).is_none() {
                now += 50;
            }
            damping.made(BACK, at(now));
            waits.push((now - began) / 1_000);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        // After a long quiet time it is as at first.
        now += 3_600_000;
        damping.made(BACK, at(now));
        assert_eq!(damping.patience, PATIENCE_MIN * 2);
    }
}

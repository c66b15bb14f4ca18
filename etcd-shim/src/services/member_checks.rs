//! Whether a change of members could cost the quorum: what etcd checks with `--strict-reconfig-check`.

use std::collections::BTreeMap;

use crate::state::EtcdError;

/// What is known of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether it has no vote.
    pub(super) is_learner: bool,
    /// Whether it has ever started.
    pub(super) is_started: bool,
    /// Whether it answers now.
    pub(super) is_alive: bool,
    /// Whether it has answered for some time without a break.
    pub(super) is_settled: bool,
}

/// The members by their ids.
pub(super) type Standings = BTreeMap<u64, Standing>;

/// How many members have a vote, and how many of these have started. `without` is left out.
fn voters(members: &Standings, without: Option<u64>) -> (usize, usize) {
    let voters = members.iter().filter(|(id, member)| !member.is_learner && Some(**id) != without);
    (voters.clone().count(), voters.filter(|(_, member)| member.is_started).count())
}

/// Whether one more member may get a vote. With it, the members that have started must be a quorum of all members with
/// a vote. If there is only one such member and it has started, a second one is always allowed.
fn may_grow(members: &Standings, newcomer_is_started: bool) -> Result<(), EtcdError> {
    let (voters, started) = voters(members, None);
    let is_second = voters == 1 && started == 1;
    let started = started + usize::from(newcomer_is_started);
    if is_second || started > voters.div_ceil(2) { Ok(()) } else { Err(EtcdError::NotEnoughStarted) }
}

/// The check before a member is added.
pub(super) fn may_add(members: &Standings, is_learner: bool) -> Result<(), EtcdError> {
    if !is_learner {
        may_grow(members, false)?;
    }
    let is_healthy = members.values().filter(|member| !member.is_learner).all(|member| member.is_settled);
    if is_healthy { Ok(()) } else { Err(EtcdError::Unhealthy) }
}

/// The check before a learner gets a vote.
pub(super) fn may_promote(members: &Standings) -> Result<(), EtcdError> {
    may_grow(members, true)
}

/// The check before a member is removed.
pub(super) fn may_remove(members: &Standings, id: u64) -> Result<(), EtcdError> {
    let Some(leaving) = members.get(&id).filter(|member| !member.is_learner) else { return Ok(()) };
    let (voters, started) = voters(members, Some(id));
    if started < voters / 2 + 1 {
        return Err(EtcdError::NotEnoughStarted);
    }
    // A member that is down is no part of the quorum.
    let settled = members.values().filter(|member| !member.is_learner && member.is_settled).count();
    if leaving.is_alive && settled < voters / 2 + 2 {
        return Err(EtcdError::Unhealthy);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: Standing = Standing { is_learner: false, is_started: true, is_alive: true, is_settled: true };
    const FRESH: Standing = Standing { is_settled: false, ..UP };
    const DOWN: Standing = Standing { is_alive: false, ..FRESH };
    const NEW: Standing = Standing { is_started: false, ..DOWN };
    const LEARNER: Standing = Standing { is_learner: true, ..UP };

    fn members(standings: &[Standing]) -> Standings {
        (1..).zip(standings.iter().copied()).collect()
    }

    #[test]
    fn a_member_is_added_while_those_that_have_started_are_a_quorum_of_all() {
        let voter = |standings: &[Standing]| may_add(&members(standings), false);
        assert_eq!(voter(&[UP]), Ok(()), "the second member");
        assert_eq!(voter(&[UP, NEW]), Err(EtcdError::NotEnoughStarted));
        assert_eq!(voter(&[UP, UP]), Ok(()));
        assert_eq!(voter(&[UP, UP, NEW]), Err(EtcdError::NotEnoughStarted), "two of four");
        assert_eq!(voter(&[UP, UP, UP]), Ok(()));
        assert_eq!(voter(&[UP, UP, DOWN]), Err(EtcdError::Unhealthy));
        assert_eq!(voter(&[UP, UP, FRESH]), Err(EtcdError::Unhealthy));
        assert_eq!(voter(&[UP, LEARNER]), Ok(()));
        let learner = |standings: &[Standing]| may_add(&members(standings), true);
        assert_eq!(learner(&[UP, UP, UP]), Ok(()));
        assert_eq!(learner(&[UP, DOWN]), Err(EtcdError::Unhealthy));
    }

    #[test]
    fn a_member_is_removed_while_the_others_are_a_quorum() {
        let remove = |standings: &[Standing], id| may_remove(&members(standings), id);
        assert_eq!(remove(&[UP], 1), Err(EtcdError::NotEnoughStarted), "the last member");
        assert_eq!(remove(&[UP, UP], 2), Ok(()));
        assert_eq!(remove(&[UP, DOWN], 2), Ok(()), "it is down");
        assert_eq!(remove(&[UP, UP, DOWN], 1), Err(EtcdError::Unhealthy));
        assert_eq!(remove(&[UP, UP, DOWN], 3), Ok(()));
        assert_eq!(remove(&[UP, UP, FRESH], 1), Err(EtcdError::Unhealthy));
        assert_eq!(remove(&[UP, NEW], 1), Err(EtcdError::NotEnoughStarted));
        assert_eq!(remove(&[UP, NEW], 2), Ok(()));
        assert_eq!(remove(&[UP, LEARNER], 2), Ok(()));
        assert_eq!(remove(&[UP], 9), Ok(()), "apply says that there is no such member");
    }

    #[test]
    fn a_learner_counts_as_started_when_it_is_promoted() {
        assert_eq!(may_promote(&members(&[UP, LEARNER])), Ok(()));
        assert_eq!(may_promote(&members(&[UP, NEW, LEARNER])), Ok(()), "two of three");
        assert_eq!(may_promote(&members(&[UP, NEW, NEW, LEARNER])), Err(EtcdError::NotEnoughStarted), "two of four");
    }
}

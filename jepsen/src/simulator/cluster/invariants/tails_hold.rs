//! [`TailsHold`]: the cells that a unit reports to be on a write quorum are on a write quorum, and a unit forgets
//! nothing (safety rules 1, 3 and 5).

use std::collections::BTreeMap;

use naxos::node::probe::View;
use naxos_proto::chain::Chain;
use naxos_proto::contracts::LocalTail;
use naxos_proto::ids::{LogletId, Offset, StorageId};
use naxos_proto::loglet_roles::LogletRoles;

/// The last tail of each loglet on each unit. A unit that is started again still holds everything, because a tail is
/// told only when it is durable.
#[derive(Debug, Default)]
pub struct TailsHold(BTreeMap<(StorageId, LogletId), LocalTail>);

impl TailsHold {
    /// Checks the tails of the active loglets. `newest` is the newest chain that was seen; nodes may have older ones.
    ///
    /// # Errors
    /// If a tail, a trim point or a seal went back, or if too few units hold what one of them calls known.
    pub fn look(&mut self, views: &[&View], newest: Option<&Chain>) -> Result<(), String> {
        for view in views {
            let Some(tail) = view.tail else { continue };
            let unit = (view.incarnation.storage, view.chain.1.active().params.id);
            let before = *self.0.entry(unit).or_insert(tail);
            let is_kept = tail.tail >= before.tail && tail.trim_point >= before.trim_point;
            if !is_kept || (before.sealed && !tail.sealed) {
                return Err(format!("unit {unit:?} went back from {before:?} to {tail:?}"));
            }
            self.0.insert(unit, tail);
            Self::check_known(view, tail.known_tail, views, newest)?;
        }
        Ok(())
    }

    /// Counts the units that hold everything below `known`. A unit whose node is down or has another active loglet is
    /// counted too, because its tail cannot be seen.
    fn check_known(view: &View, known: Offset, views: &[&View], newest: Option<&Chain>) -> Result<(), String> {
        let params = &view.chain.1.active().params;
        if let Some(chain) = newest.filter(|chain| chain.active().params.id != params.id) {
            // All cells below the end of an ended segment count, and `SettledIsHeld` counts their copies.
            let ended = chain.segments.iter().find(|segment| segment.params.id == params.id);
            return match ended.and_then(|segment| Some(segment.offset(segment.end?))) {
                Some(end) if known > end => {
                    Err(format!("{:?} ended at {end:?}, and a unit has the known tail {known:?}", params.id))
                }
                _ => Ok(()),
            };
        }
        let Ok(roles) = LogletRoles::of(params) else { return Ok(()) };
        let holds = |unit: &StorageId| {
            let of_unit = views.iter().find(|other| other.incarnation.storage == *unit);
            let seen = of_unit.filter(|other| other.chain.1.active().params.id == params.id).and_then(|v| v.tail);
            seen.is_none_or(|tail| tail.tail >= known)
        };
        let holding = roles.units.iter().filter(|unit| holds(unit)).count();
        if holding < roles.write_quorum {
            let (unit, id) = (view.incarnation.storage, params.id);
            return Err(format!(
                "unit {unit:?} has the known tail {known:?} of {id:?}, but at most {holding} units hold all below it"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::chain::Segment;
    use naxos_proto::ids::{ChainVersion, Lsn};

    use super::super::tests::{newest, view};
    use super::*;

    fn with(storage: u64, tail: u64, known: u64) -> View {
        let mut view = view(storage, 1);
        let (tail, known_tail) = (Offset(tail), Offset(known));
        view.tail = Some(LocalTail { tail, known_tail, sealed: false, trim_point: Offset(0) });
        view
    }

    fn look(rule: &mut TailsHold, views: &[&View]) -> Result<(), String> {
        rule.look(views, newest(views).map(|(_, chain)| chain))
    }

    #[test]
    fn a_known_tail_that_is_on_too_few_units_is_found() {
        let mut rule = TailsHold::default();
        let (a, b, c) = (with(1, 9, 5), with(2, 5, 5), with(3, 4, 4));
        assert_eq!(look(&mut rule, &[&a, &b, &c]), Ok(()));
        assert!(look(&mut rule, &[&with(1, 9, 6), &b, &c]).is_err());
        assert_eq!(look(&mut rule, &[&with(1, 9, 6), &b]), Ok(()), "the third unit cannot be seen");
    }

    #[test]
    fn what_is_below_the_end_of_an_ended_loglet_counts_as_known_and_no_more() {
        // Node 4 has seen the end of the loglet, which the units have not.
        let mut newer = view(4, 2);
        let before = &view(4, 1).chain.1.segments[0];
        let ended = Segment { end: Some(Lsn(5)), ..before.clone() };
        let active = Segment { start: Lsn(5), ..newer.chain.1.segments[0].clone() };
        newer.chain = (ChainVersion(4), Chain { log: newer.chain.1.log, segments: vec![ended, active] });
        let mut rule = TailsHold::default();
        let (b, c) = (with(2, 4, 4), with(3, 4, 4));
        assert_eq!(look(&mut rule, &[&with(1, 9, 5), &b, &c, &newer]), Ok(()));
        assert!(look(&mut rule, &[&with(1, 9, 6), &b, &c, &newer]).is_err(), "it is beyond the end");
    }

    #[test]
    fn a_unit_that_forgets_is_found() {
        let mut rule = TailsHold::default();
        assert_eq!(look(&mut rule, &[&with(1, 9, 0)]), Ok(()));
        let mut again = with(1, 8, 0);
        again.incarnation.boot.0 += 1;
        assert!(look(&mut rule, &[&again]).is_err(), "a cell is lost");
        let mut sealed = with(1, 9, 0);
        sealed.tail.as_mut().expect("it has a tail").sealed = true;
        assert_eq!(look(&mut rule, &[&sealed]), Ok(()));
        assert!(look(&mut rule, &[&with(1, 9, 0)]).is_err(), "a seal is lost");
    }
}

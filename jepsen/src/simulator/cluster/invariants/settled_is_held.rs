//! [`SettledIsHeld`]: what was applied anywhere is on a write quorum, or below an installed end and on a seal quorum (safety
//! rule 3).

use naxos::node::probe::View;
use naxos_proto::chain::{Chain, Segment};
use naxos_proto::ids::{ChainVersion, Lsn, Offset, StorageId};
use naxos_proto::loglet_roles::LogletRoles;

/// The first position that no node is known to have applied. A node applies a call before the client is told that the call
/// is done.
#[derive(Debug, Default)]
pub struct SettledIsHeld(Option<Lsn>);

impl SettledIsHeld {
    /// Counts the units that hold each segment of the newest chain as far as it was applied. `are_all` says whether all nodes can be seen.
    /// A node that starts cannot be seen yet, but may already have removed a segment from the chain and told the units
    /// to drop it.
    ///
    /// # Errors
    /// If too few units hold a segment.
    pub fn look(
        &mut self,
        views: &[&View],
        are_all: bool,
        newest: Option<(ChainVersion, &Chain)>,
    ) -> Result<(), String> {
        self.0 = views.iter().map(|view| view.applied).max().max(self.0);
        let (Some(applied), Some((version, chain))) = (self.0, newest) else { return Ok(()) };
        for segment in &chain.segments {
            let end = segment.end.map_or(applied, |end| end.min(applied));
            if end > segment.start {
                check(segment, segment.offset(end), version, views, are_all)?;
            }
        }
        Ok(())
    }
}

/// A unit whose node is down, or has not seen the newest chain, is counted as if it held everything.
fn check(segment: &Segment, end: Offset, newest: ChainVersion, views: &[&View], are_all: bool) -> Result<(), String> {
    let Ok(LogletRoles { units, write_quorum, .. }) = LogletRoles::of(&segment.params) else { return Ok(()) };
    let due = if segment.end.is_some() { units.len() + 1 - write_quorum } else { write_quorum };
    let loglet = segment.params.id;
    let holds = |unit: &StorageId| {
        let view = views.iter().find(|view| view.incarnation.storage == *unit && view.chain.0 == newest);
        view.is_none_or(|view| {
            let sealed = view.sealed.iter().find(|(id, _)| *id == loglet).map(|(_, tail)| *tail);
            let active = view.tail.filter(|_| view.chain.1.active().params.id == loglet);
            let is_dropped = !are_all && view.dropped.contains(&loglet);
            is_dropped || sealed.or(active).is_some_and(|tail| tail.tail >= end || tail.trim_point >= end)
        })
    };
    let holding = units.iter().filter(|unit| holds(unit)).count();
    if holding >= due {
        return Ok(());
    }
    Err(format!("{loglet:?} was applied up to {end}, at most {holding} units have that, {due} are due"))
}

#[cfg(test)]
mod tests {
    use naxos_proto::contracts::LocalTail;

    use super::super::tests::{newest, view};
    use super::*;

    fn with(storage: u64, tail: u64) -> View {
        let mut view = view(storage, 1);
        let (tail, known_tail, trim_point) = (Offset(tail), Offset(0), Offset(0));
        view.tail = Some(LocalTail { tail, known_tail, sealed: false, trim_point });
        view
    }

    fn look(rule: &mut SettledIsHeld, views: &[&View], are_all: bool) -> Result<(), String> {
        rule.look(views, are_all, newest(views))
    }

    #[test]
    fn what_was_applied_and_is_on_too_few_units_is_found() {
        let mut rule = SettledIsHeld::default();
        let applied = view(1, 1).applied.0;
        let (all, less) = (with(1, applied), with(2, applied - 1));
        assert_eq!(look(&mut rule, &[&all, &less], false), Ok(()), "the third unit cannot be seen");
        assert!(look(&mut rule, &[&all, &less, &with(3, 0)], true).is_err());
        let seal = |mut view: View| {
            view.chain.0.0 += 1;
            let tail = view.tail.take().expect("it has a tail");
            let mut next = view.chain.1.segments[0].clone();
            next.start = view.applied;
            next.params.id.ordinal += 1;
            view.chain.1.segments[0].end = Some(view.applied);
            view.sealed = vec![(view.chain.1.segments[0].params.id, tail)];
            view.chain.1.segments.push(next);
            view
        };
        let (all, none) = (seal(all), seal(less));
        assert_eq!(look(&mut rule, &[&all, &none], false), Ok(()), "two of three are a seal quorum");
        let last = seal(with(3, 0));
        assert!(look(&mut rule, &[&all, &none, &last], true).is_err());
        let loglet = none.sealed[0].0;
        let dropped = View { sealed: vec![], dropped: vec![loglet], ..none };
        assert_eq!(look(&mut rule, &[&all, &dropped, &last], false), Ok(()), "a node that starts may have trimmed it");
        assert!(look(&mut rule, &[&all, &dropped, &last], true).is_err());
    }
}

//! [`GrantsHold`]: an offset is given out once (`docs/protocol.md`, cluster 2), and only by the sequencer that the
//! chain names (safety rule 4).

use std::collections::BTreeMap;

use naxos::node::probe::View;
use naxos_proto::chain::LogletParams;
use naxos_proto::ids::{Incarnation, LogletId, Offset};
use naxos_proto::loglet_roles::LogletRoles;

/// For each loglet, the process that gives out its offsets, and the next offset of this process when it was seen last.
#[derive(Debug, Default)]
pub struct GrantsHold(BTreeMap<LogletId, (Incarnation, Offset)>);

impl GrantsHold {
    /// Looks at the sequencers of all processes.
    ///
    /// # Errors
    /// If two processes give out the offsets of one loglet, a process goes back or is not the one that the chain names,
    /// or a unit holds what was not given out.
    pub fn look(&mut self, views: &[&View]) -> Result<(), String> {
        for view in views {
            let own = view.incarnation;
            for granted in &view.granted {
                let (loglet, next) = (granted.loglet, granted.next);
                let (sequencer, before) = *self.0.entry(loglet).or_insert((own, next));
                if sequencer != own {
                    return Err(format!("{own:?} and {sequencer:?} give out the offsets of {loglet:?}"));
                }
                let roles = params(view, loglet).and_then(|params| LogletRoles::of(params).ok());
                // If a loglet has only one unit and this unit refuses a batch, the batch is certainly not in the log.
                // Then the offsets of the batch are given out again.
                if next < before && roles.as_ref().is_some_and(|roles| roles.units.len() > 1) {
                    return Err(format!("{own:?} goes back from {before} to {next} in {loglet:?}"));
                }
                if roles.is_some_and(|roles| roles.sequencer != own) {
                    return Err(format!("the chain does not let {own:?} give out offsets of {loglet:?}"));
                }
                self.0.insert(loglet, (own, next));
                Self::check_units(loglet, next, views)?;
            }
        }
        Ok(())
    }

    /// No unit may hold an offset of `loglet` that is not given out: at or above `next`.
    fn check_units(loglet: LogletId, next: Offset, views: &[&View]) -> Result<(), String> {
        for view in views.iter().filter(|view| view.chain.1.active().params.id == loglet) {
            if let Some(tail) = view.tail.filter(|tail| tail.tail > next) {
                let unit = view.incarnation.storage;
                return Err(format!(
                    "unit {unit:?} has {tail:?} in {loglet:?}, only offsets below {next} were given out"
                ));
            }
        }
        Ok(())
    }
}

/// The parameters of a loglet that the chain of this node has.
fn params(view: &View, loglet: LogletId) -> Option<&LogletParams> {
    view.chain.1.segments.iter().map(|segment| &segment.params).find(|params| params.id == loglet)
}

#[cfg(test)]
mod tests {
    use naxos::node::probe::Granted;
    use naxos_proto::contracts::LocalTail;

    use super::super::tests::view;
    use super::*;

    fn granting(storage: u64, next: u64) -> View {
        let mut view = view(storage, 1);
        let loglet = view.chain.1.active().params.id;
        view.granted = vec![Granted { loglet, next: Offset(next), in_flight: 0, in_flight_max: 8 }];
        view
    }

    #[test]
    fn offsets_that_are_given_out_twice_or_by_another_process_are_found() {
        let mut rule = GrantsHold::default();
        assert_eq!(rule.look(&[&granting(1, 5)]), Ok(()));
        assert!(rule.look(&[&granting(1, 4)]).is_err(), "it goes back");
        assert!(rule.look(&[&granting(2, 6)]).is_err(), "a second sequencer");
        assert!(GrantsHold::default().look(&[&granting(2, 6)]).is_err(), "the chain names another one");
        let mut unit = view(2, 1);
        let (tail, known_tail, trim_point) = (Offset(7), Offset(0), Offset(0));
        unit.tail = Some(LocalTail { tail, known_tail, sealed: false, trim_point });
        assert!(rule.look(&[&granting(1, 6), &unit]).is_err(), "offset 6 was not given out");
        assert_eq!(rule.look(&[&granting(1, 7), &unit]), Ok(()));
    }
}

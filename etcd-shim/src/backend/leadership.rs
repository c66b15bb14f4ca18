//! [`Leadership`]: whether this member can have a leader, and the end of the calls that want one when there is none.

use std::collections::BTreeMap;
use std::time::Duration;

use naxos_client::failure::{DetectorConfig, NodeState};
use naxos_proto::ids::StorageId;
use naxos_proto::loglet_roles::LogletRoles;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// After this many looks in a row without a leader, the calls that want one end. The same as in etcd.
const LOOKS: u32 = 3;

/// Whether a member that sees the other nodes as `nodes` can have a leader. It needs most of the loglet's units, so a
/// member that is cut off has no leader, whatever it remembers. If there are several units, a member whose own disk
/// hangs has no leader either, because it cannot follow the others for long.
///
/// `oldest_sync` is how long the oldest sync of this member's disk has been running.
pub(super) fn can_have_leader(
    roles: &LogletRoles,
    nodes: &BTreeMap<StorageId, NodeState>,
    oldest_sync: Option<Duration>,
) -> bool {
    let answers = |unit: &&StorageId| nodes.get(unit).is_some_and(|state| state.alive().is_some());
    let alive = roles.units.iter().filter(answers).count();
    let hangs = oldest_sync.is_some_and(|age| age >= DetectorConfig::default().sync_for);
    alive > roles.units.len() / 2 && !(hangs && roles.units.len() > 1)
}

/// Ends the streams whose clients want a leader (`hasleader` in their metadata) when there was none for three looks.
#[derive(Default)]
pub(crate) struct Leadership(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    looks_without: u32,
    lost: CancellationToken,
}

impl Leadership {
    /// Is cancelled when the streams that want a leader have to end: after three looks without a leader, or by
    /// [`Self::end`].
    pub(crate) fn lost(&self) -> CancellationToken {
        self.0.lock().lost.clone()
    }

    /// Takes note of whether there is a leader. Called once in each election time-out.
    pub(crate) fn look(&self, has_leader: bool) {
        let mut seen = self.0.lock();
        seen.looks_without = if has_leader { 0 } else { seen.looks_without + 1 };
        if seen.looks_without >= LOOKS {
            std::mem::take(&mut seen.lost).cancel();
        }
    }

    /// Ends the streams now, although there may be a leader.
    pub(crate) fn end(&self) {
        std::mem::take(&mut self.0.lock().lost).cancel();
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::{Boot, Incarnation};

    use super::*;

    fn node(storage: u64) -> Incarnation {
        Incarnation { storage: StorageId(storage), boot: Boot(1) }
    }

    fn roles(units: u64) -> LogletRoles {
        LogletRoles { sequencer: node(1), units: (1..=units).map(StorageId).collect(), write_quorum: 1 }
    }

    #[test]
    fn a_member_without_most_of_the_units_has_no_leader() {
        for (units, alive, has) in
            [(1, 1, true), (2, 1, false), (2, 2, true), (3, 1, false), (3, 2, true), (4, 2, false)]
        {
            let state = |unit| if unit <= alive { NodeState::Alive(node(unit)) } else { NodeState::Silent };
            let nodes = (1..=units).map(|unit| (StorageId(unit), state(unit))).collect();
            assert_eq!(can_have_leader(&roles(units), &nodes, None), has, "{alive} of {units} units answer");
        }
    }

    #[test]
    fn a_member_whose_disk_hangs_has_a_leader_only_if_it_is_alone() {
        for (units, has) in [(1, true), (3, false)] {
            let nodes = (1..=units).map(|unit| (StorageId(unit), NodeState::Alive(node(unit)))).collect();
            let oldest_sync = |millis| Some(Duration::from_millis(millis));
            assert!(can_have_leader(&roles(units), &nodes, oldest_sync(1_000)), "slow is not hung");
            assert_eq!(can_have_leader(&roles(units), &nodes, oldest_sync(1_500)), has, "{units} units");
        }
    }

    #[test]
    fn streams_end_after_three_looks_in_a_row() {
        let leadership = Leadership::default();
        let stream = leadership.lost();
        [false, false, true, false, false].into_iter().for_each(|look| leadership.look(look));
        assert!(!stream.is_cancelled(), "a leader came back in between");
        leadership.look(false);
        assert!(stream.is_cancelled());
        assert!(!leadership.lost().is_cancelled(), "this is for streams that begin later");
    }
}

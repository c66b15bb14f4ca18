//! [`Driver`]: makes the changes of the log that are due.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use naxos_proto::ids::{ChainVersion, Incarnation, StorageId};
use naxos_proto::loglet_roles::LogletRoles;
use naxos_proto::role::Role;
use naxos_proto::seams::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::damping::Damping;
use super::detector::NodeState;
use super::due_change::{DueChange, due_change};
use super::lost_units::lost_units;
use super::reach::Reach;
use super::roles::Roles;
use crate::loglet::Liveness;
use crate::virtual_log::{UnitsChanged, VirtualLog};

/// The time between two looks at the log and the nodes.
const TICK: Duration = Duration::from_millis(50);
/// The longest time between two replications of what units have missed.
const REPLICATE_EVERY: Duration = Duration::from_secs(5);
/// The time from a change of the chain to a replication. The cells that the seal settled may have few copies.
const REPLICATE_AFTER_CHANGE: Duration = Duration::from_millis(200);

/// What a driver needs.
pub struct DriverParts {
    /// The log.
    pub log: Arc<VirtualLog>,
    /// This node's process.
    pub own: Incarnation,
    /// The states of all nodes, this one included.
    pub states: watch::Receiver<BTreeMap<StorageId, NodeState>>,
    /// How many others each node hears.
    pub reach: Box<dyn Fn() -> Reach + Send + Sync>,
    /// The highest version of the chain that any node has seen.
    pub newest_chain: watch::Receiver<ChainVersion>,
    /// The node that leads the MetaStore, as far as this node knows.
    pub meta_leader: Box<dyn Fn() -> Option<StorageId> + Send + Sync>,
    /// Lets another node lead the MetaStore. Resolves to whether one does.
    pub yield_meta: Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>,
    /// What the seats of the members allow the nodes to do.
    pub roles: watch::Receiver<Roles>,
    /// The processes from which the next loglet is chosen; the log reads it.
    pub liveness: watch::Sender<Liveness>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// See the module. Every node has one. The node with the lowest id of those alive acts first.
pub struct Driver(DriverParts);

/// The processes from which the next loglet may be chosen.
///
/// Nodes whose members are learners are left out.
///
/// The units are on data directories whose [`Role`] has a storage unit. They are all of these units, even the silent
/// ones, as long as a majority of them is alive. Otherwise they are only the units that are alive.
///
/// The sequencers are alive, on data directories whose [`Role`] has a sequencer. Those that hear more other nodes come
/// first: if two nodes do not hear each other, neither of them can serve the other. Of those that hear equally many
/// nodes, the one on the leader of the MetaStore comes last. Of the others, the present one comes first, so that a
/// change of units moves no sequencer. If the MetaStore has only one voter, the only sequencer is the one on that node.
pub fn liveness(
    nodes: &BTreeMap<StorageId, NodeState>,
    present: Option<Incarnation>,
    meta_leader: Option<StorageId>,
    roles: &Roles,
    reach: &Reach,
) -> Liveness {
    let states = roles.with_units(nodes);
    let alive: Vec<StorageId> = states.iter().filter(|(_, s)| s.alive().is_some()).map(|(node, _)| *node).collect();
    let is_majority = alive.len() > states.len() / 2;
    let units = if is_majority { states.keys().copied().collect() } else { alive };
    let members = roles.members(nodes);
    let sequences = members.iter().filter(|(node, _)| Role::of(**node).has_sequencer());
    let mut sequencers: Vec<Incarnation> = sequences.filter_map(|(_, state)| state.alive()).collect();
    sequencers.sort_by_key(|node| {
        let leads_meta = Some(node.storage) == meta_leader;
        (Reverse(reach.of(node.storage)), leads_meta, Some(*node) != present, node.storage)
    });
    if let Some(voter) = roles.sole_voter {
        sequencers.retain(|node| node.storage == voter);
    }
    let silent = states.iter().filter(|(_, state)| state.alive().is_none()).map(|(node, _)| *node).collect();
    Liveness { sequencers, units, silent, units_min: roles.units_min }
}

/// The number of node `own` among those alive, counted from 0 in the order of their ids.
pub fn rank_of(own: StorageId, states: &BTreeMap<StorageId, NodeState>) -> usize {
    states.iter().filter(|(node, state)| **node < own && state.alive().is_some()).count()
}

impl Driver {
    /// A driver that does nothing until [`Self::run`] is called.
    pub fn new(parts: DriverParts) -> Self {
        Self(parts)
    }

    /// Works until `stop` is cancelled. It is called as soon as the log is open, before the start of the node is
    /// complete. If the last loglet is sealed, the rest of the start waits until the log has a next loglet, and it may
    /// be this process that has to add it.
    pub async fn run(&self, stop: CancellationToken) {
        let log = &self.0.log;
        let work = async { tokio::join!(self.drive(), self.replicate(), log.listen(), log.tend(stop.clone())) };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            _ = work => {}
        }
    }

    async fn drive(&self) {
        let parts = &self.0;
        let (mut damping, mut states) = (Damping::new(), parts.states.clone());
        let mut newest = parts.newest_chain.clone();
        loop {
            tokio::select! {
                biased;
                Ok(()) = states.changed() => {}
                Ok(()) = newest.changed() => {}
                () = parts.clock.sleep(TICK) => {}
            }
            let version = parts.log.chain().0;
            if *newest.borrow_and_update() > version {
                // Another node has changed the chain.
                if let Err(error) = parts.log.adopt_newer(version).await {
                    tracing::debug!(%error, "the new chain cannot be read yet");
                }
            }
            let Some(View { version, due, rank }) = self.look() else { continue };
            let Some(change) = damping.note(due, rank, parts.clock.now()) else { continue };
            if let DueChange::OneNodeLeadsBoth(node) = change {
                // First another node is asked to lead the MetaStore. Clients do not notice that, and a sequencer that a
                // person has put on this node stays there.
                if node != parts.own.storage {
                    continue;
                }
                let has_yielded = (parts.yield_meta)().await;
                damping.made(change, parts.clock.now());
                if has_yielded {
                    continue;
                }
            }
            tracing::warn!(chain = version.0, reason = %change, "reconfiguring the log");
            let outcome = parts.log.reconfigure_from(version).await;
            match outcome {
                Ok(_) => damping.made(change, parts.clock.now()),
                Err(error) => {
                    damping.tried(change, parts.clock.now());
                    tracing::warn!(%error, reason = %change, "the log was not reconfigured; trying again");
                }
            }
        }
    }

    /// Gives storage units the cells that they have missed. Runs apart from the changes, because a unit that hangs may
    /// hold it up.
    async fn replicate(&self) {
        let parts = &self.0;
        let mut chain = parts.newest_chain.clone();
        loop {
            tokio::select! {
                biased;
                Ok(()) = chain.changed() => parts.clock.sleep(REPLICATE_AFTER_CHANGE).await,
                () = parts.clock.sleep(REPLICATE_EVERY) => {}
            }
            chain.mark_unchanged();
            if !self.may_copy() {
                continue;
            }
            match parts.log.replicate().await {
                Ok(0) => {}
                Ok(cells) => tracing::info!(cells, "storage units got the cells that they had missed"),
                Err(error) => tracing::debug!(%error, "not every storage unit has all cells"),
            }
            self.replace_lost_units().await;
        }
    }

    /// Replaces a lost unit of each ended segment by another unit, or leaves the lost units out if there are no others.
    /// Takes one segment after the other, because the copies must leave room for what clients write.
    async fn replace_lost_units(&self) {
        let parts = &self.0;
        let may_copy = || self.may_copy();
        let lost = lost_units(&parts.log.chain().1, &parts.states.borrow(), &parts.roles.borrow());
        for lost in lost {
            for change in &lost.changes {
                if !may_copy() {
                    return;
                }
                match parts.log.change_units(lost.loglet, change, &may_copy).await {
                    Ok(UnitsChanged::Changed(_) | UnitsChanged::NotNeeded) => break,
                    Ok(UnitsChanged::Unfinished) => return,
                    Err(error) => {
                        tracing::debug!(loglet = %lost.loglet, %change, %error, "a lost storage unit is not replaced yet");
                    }
                }
            }
        }
    }

    /// Whether this node copies cells in the background. One node is enough, and a change that is due comes first.
    fn may_copy(&self) -> bool {
        self.look().is_some_and(|view| view.rank == 0 && view.due.is_none())
    }

    /// Looks at the log and the nodes, and tells the log which processes it may choose. `None` if the active loglet
    /// does not depend on which nodes are alive.
    fn look(&self) -> Option<View> {
        let parts = &self.0;
        let (version, chain) = parts.log.chain();
        let active = LogletRoles::of(&chain.active().params).ok()?;
        let nodes = parts.states.borrow().clone();
        let roles = parts.roles.borrow().clone();
        let meta_leader = (parts.meta_leader)();
        let reach = (parts.reach)();
        let alive = liveness(&nodes, Some(active.sequencer), meta_leader, &roles, &reach);
        parts.liveness.send_if_modified(|old| {
            let is_new = *old != alive;
            *old = alive;
            is_new
        });
        // A node whose member is a learner, or that has no seat, makes no change.
        let may_act = !roles.has_left(parts.own.storage);
        let due = due_change(&active, &nodes, meta_leader, &roles, &reach).filter(|_| may_act);
        Some(View { version, due, rank: rank_of(parts.own.storage, &roles.members(&nodes)) })
    }
}

/// What a driver sees.
struct View {
    /// The version of the chain.
    version: ChainVersion,
    /// The change that is due.
    due: Option<DueChange>,
    /// The number of this node among those alive, counted from 0.
    rank: usize,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use naxos_proto::ids::Boot;

    use super::*;

    fn node(n: u64) -> Incarnation {
        Incarnation { storage: StorageId(n), boot: Boot(1) }
    }

    fn three() -> BTreeMap<StorageId, NodeState> {
        (1..=3).map(|n| (StorageId(n), NodeState::Alive(node(n)))).collect()
    }

    fn two_of_three() -> Roles {
        Roles::with_units_min(2)
    }

    #[test]
    fn a_change_of_units_keeps_the_sequencer() {
        assert_eq!(
            liveness(&three(), Some(node(2)), None, &two_of_three(), &Reach::default()).sequencers,
            [node(2), node(1), node(3)]
        );
        let earlier = Incarnation { boot: Boot(9), ..node(2) };
        assert_eq!(
            liveness(&three(), Some(earlier), None, &two_of_three(), &Reach::default()).sequencers,
            [node(1), node(2), node(3)]
        );
    }

    #[test]
    fn the_leader_of_the_metastore_is_the_last_choice() {
        let alive = liveness(&three(), Some(node(1)), Some(StorageId(1)), &two_of_three(), &Reach::default());
        assert_eq!(alive.sequencers, [node(2), node(3), node(1)]);
    }

    #[test]
    fn the_sequencer_is_put_where_most_nodes_are_heard() {
        let reach = Reach::new([1, 2, 3].map(StorageId).into_iter().zip([1, 1, 2]));
        let alive = liveness(&three(), Some(node(1)), Some(StorageId(3)), &two_of_three(), &reach);
        assert_eq!(alive.sequencers, [node(3), node(1), node(2)], "node 3 leads the MetaStore, but it hears both");
    }

    #[test]
    fn a_silent_unit_is_chosen_as_long_as_a_majority_is_alive() {
        let mut states = three();
        states.insert(StorageId(1), NodeState::Silent);
        let alive = liveness(&states, Some(node(1)), None, &two_of_three(), &Reach::default());
        assert_eq!(alive.sequencers, [node(2), node(3)]);
        assert_eq!(alive.units, [StorageId(1), StorageId(2), StorageId(3)]);
        assert_eq!(alive.silent, [StorageId(1)]);
        assert_eq!(rank_of(StorageId(2), &states), 0);
        assert_eq!(rank_of(StorageId(3), &states), 1);
        states.insert(StorageId(2), NodeState::Silent);
        assert_eq!(liveness(&states, None, None, &two_of_three(), &Reach::default()).units, [StorageId(3)]);
    }

    #[test]
    fn a_learner_has_no_unit_and_no_sequencer() {
        let roles = Roles { learners: BTreeSet::from([StorageId(1)]), ..Roles::with_units_min(1) };
        let alive = liveness(&three(), None, None, &roles, &Reach::default());
        assert_eq!((alive.sequencers, alive.units), (vec![node(2), node(3)], vec![StorageId(2), StorageId(3)]));
    }

    #[test]
    fn cluster_16_the_sequencer_stays_with_the_only_voter() {
        let mut states = three();
        states.remove(&StorageId(3));
        let roles = Roles { sole_voter: Some(StorageId(1)), ..Roles::with_units_min(1) };
        let alive = liveness(&states, Some(node(2)), Some(StorageId(1)), &roles, &Reach::default());
        assert_eq!((alive.sequencers, alive.units), (vec![node(1)], vec![StorageId(1), StorageId(2)]));
        states.insert(StorageId(1), NodeState::Silent);
        assert!(
            liveness(&states, Some(node(1)), None, &roles, &Reach::default()).sequencers.is_empty(),
            "node 2 can install no chain"
        );
    }
}

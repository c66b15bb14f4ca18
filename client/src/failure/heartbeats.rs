//! [`Heartbeats`]: asks the other nodes all the time, and tells which ones are alive.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use naxos_proto::contracts::{Beat, Heartbeat, HeartbeatError};
use naxos_proto::ids::{Incarnation, LogId, StorageId};
use naxos_proto::seams::{Clock, Instant};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::admission::Admission;
use super::detector::{Detector, NodeState};
use super::reach::Reach;
use super::start_memory::StartMemory;

/// Another node of the cluster.
#[derive(Clone)]
pub struct Node {
    /// The id of the node's data directory.
    pub storage: StorageId,
    /// Where the node answers.
    pub heartbeat: Arc<dyn Heartbeat>,
}

/// See the module.
pub struct Heartbeats {
    own: Incarnation,
    nodes: watch::Receiver<Vec<Node>>,
    every: Duration,
    clock: Arc<dyn Clock>,
    detector: Mutex<Detector>,
    /// The state of this node, as it is told to others.
    mine: Box<dyn Fn() -> Beat + Send + Sync>,
    /// The states of all nodes, this one included. Changed when one of them changes.
    states: watch::Sender<BTreeMap<StorageId, NodeState>>,
    admission: Arc<Admission>,
    memory: Arc<dyn StartMemory>,
    /// The nodes that belong to another log, according to their last answers.
    strangers: watch::Sender<BTreeMap<StorageId, LogId>>,
}

impl Heartbeats {
    /// Asks the nodes of `nodes` at intervals of `every`. `mine` is called for the state of this node.
    pub fn new(
        own: Incarnation,
        nodes: watch::Receiver<Vec<Node>>,
        every: Duration,
        clock: Arc<dyn Clock>,
        detector: Detector,
        mine: Box<dyn Fn() -> Beat + Send + Sync>,
        admission: Arc<Admission>,
        memory: Arc<dyn StartMemory>,
    ) -> Self {
        let (states, strangers) = (watch::Sender::new(BTreeMap::new()), watch::Sender::new(BTreeMap::new()));
        Self { own, nodes, every, clock, detector: Mutex::new(detector), mine, states, admission, memory, strangers }
    }

    /// The state of this node, as it is told to others.
    pub fn mine(&self) -> Beat {
        (self.mine)()
    }

    /// The states of all nodes, this one included.
    pub fn states(&self) -> watch::Receiver<BTreeMap<StorageId, NodeState>> {
        self.states.subscribe()
    }

    /// The nodes that belong to another log, according to their last answers. At the address of each of them this node
    /// expects a member of its own cluster.
    pub fn strangers(&self) -> watch::Receiver<BTreeMap<StorageId, LogId>> {
        self.strangers.subscribe()
    }

    /// The newest beat of another node.
    pub fn beat(&self, node: StorageId) -> Option<Beat> {
        self.detector.lock().beat(node).cloned()
    }

    /// For each node that is alive, this node included: how many other nodes it hears.
    pub fn reach(&self) -> Reach {
        let states = self.states.borrow();
        let alive: Vec<_> = states.iter().filter(|(_, state)| state.alive().is_some()).map(|(node, _)| *node).collect();
        let detector = self.detector.lock();
        let heard = |node: &StorageId| match *node == self.own.storage {
            true => alive.len() - 1,
            false => detector.beat(*node).map_or(0, |beat| beat.hears.len()),
        };
        Reach::new(alive.iter().map(|node| (*node, heard(node))))
    }

    /// Asks until `stop`. A node that does not answer holds up no question to the others. Such a node is asked again
    /// only when the deadline of the last question is over, so that questions do not pile up.
    pub async fn run(&self, stop: CancellationToken) {
        let mut asked = FuturesUnordered::new();
        let mut waits: Vec<StorageId> = Vec::new();
        let mut next = self.clock.now();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some((node, sent, answer)) = asked.next(), if !asked.is_empty() => {
                    waits.retain(|waiting| *waiting != node);
                    self.note_log(node, &answer);
                    self.answered(sent, answer);
                }
                () = self.clock.sleep_until(next) => {
                    next = self.clock.now().after(self.every);
                    let nodes = self.nodes.borrow().clone();
                    let storages: Vec<_> = nodes.iter().map(|node| node.storage).collect();
                    self.detector.lock().keep(&storages);
                    for node in nodes {
                        if !waits.contains(&node.storage) {
                            waits.push(node.storage);
                            let (sent, mine) = (self.clock.now(), self.mine());
                            asked.push(async move { (node.storage, sent, node.heartbeat.beat(mine).await) });
                        }
                    }
                }
            }
            self.publish();
        }
    }

    /// Takes note of whether the node that was asked as `node` belongs to another log. Silence says nothing.
    fn note_log(&self, node: StorageId, answer: &Result<Beat, HeartbeatError>) {
        self.strangers.send_if_modified(|strangers| match answer {
            Ok(_) => strangers.remove(&node).is_some(),
            Err(HeartbeatError::OtherLog(log)) => strangers.insert(node, *log) != Some(*log),
            Err(HeartbeatError::Silent(_)) => false,
        });
    }

    fn answered(&self, sent: Instant, answer: Result<Beat, HeartbeatError>) {
        let Ok(beat) = answer else { return };
        // A process on an old copy of a data directory counts for nothing. The next question tells it so.
        if self.memory.note(beat.from.storage, beat.start()) {
            self.admission.hear(&beat, &*self.memory);
            self.detector.lock().heard(sent, self.clock.now(), beat);
        }
    }

    /// Tells the states of the nodes, if one has changed.
    fn publish(&self) {
        let now = self.clock.now();
        let mut states = BTreeMap::from([(self.own.storage, NodeState::Alive(self.own))]);
        {
            let detector = self.detector.lock();
            let nodes = self.nodes.borrow();
            states.extend(nodes.iter().map(|node| (node.storage, detector.state(node.storage, now))));
        }
        self.states.send_if_modified(|old| {
            let is_new = *old != states;
            *old = states;
            is_new
        });
    }
}

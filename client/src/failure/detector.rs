//! [`Detector`]: what the heartbeats of the other nodes say about them. Nothing here reads a clock or calls another
//! node.

use std::collections::BTreeMap;
use std::time::Duration;

use naxos_proto::contracts::Beat;
use naxos_proto::ids::{Incarnation, StorageId};
use naxos_proto::seams::Instant;

/// When a node is suspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetectorConfig {
    /// A node that has not answered for this long is suspected.
    pub silent_for: Duration,
    /// A node whose oldest sync has been running for this long is suspected: its disk hangs.
    pub sync_for: Duration,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self { silent_for: Duration::from_millis(200), sync_for: Duration::from_millis(1_500) }
    }
}

/// What is known about one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// The node answers, and its disk works.
    Alive(Incarnation),
    /// The node answers, but its disk hangs.
    Hung(Incarnation),
    /// The node does not answer.
    Silent,
}

impl NodeState {
    /// The node's process, if it may take a role in a new loglet.
    pub fn alive(self) -> Option<Incarnation> {
        match self {
            NodeState::Alive(incarnation) => Some(incarnation),
            NodeState::Hung(_) | NodeState::Silent => None,
        }
    }
}

/// An answer to a heartbeat.
#[derive(Clone, Debug)]
struct Heard {
    /// When the question was sent. The answer may have waited, here or there, while a process stood still. So the
    /// moment at which it was read says nothing about the node.
    asked: Instant,
    beat: Beat,
}

/// See the module.
#[derive(Debug)]
pub struct Detector {
    config: DetectorConfig,
    heard: BTreeMap<StorageId, Heard>,
}

impl Detector {
    /// Nothing was heard yet: every node is silent.
    pub fn new(config: DetectorConfig) -> Self {
        Self { config, heard: BTreeMap::new() }
    }

    /// Takes a node's answer to a question that was sent at `asked`. An answer of an earlier process, or to an earlier
    /// question, is ignored.
    pub fn heard(&mut self, asked: Instant, beat: Beat) {
        let newest = |old: &Heard| old.beat.from.boot <= beat.from.boot && old.asked <= asked;
        if self.heard.get(&beat.from.storage).is_none_or(newest) {
            self.heard.insert(beat.from.storage, Heard { asked, beat });
        }
    }

    /// The state of `node` at `now`.
    pub fn state(&self, node: StorageId, now: Instant) -> NodeState {
        match self.heard.get(&node) {
            Some(heard) if now.since(heard.asked) < self.config.silent_for => {
                if heard.beat.oldest_sync < self.config.sync_for {
                    NodeState::Alive(heard.beat.from)
                } else {
                    NodeState::Hung(heard.beat.from)
                }
            }
            _ => NodeState::Silent,
        }
    }

    /// The newest beat of `node`, however old it is.
    pub fn beat(&self, node: StorageId) -> Option<&Beat> {
        self.heard.get(&node).map(|heard| &heard.beat)
    }

    /// Forgets the nodes that are not in `nodes`.
    pub fn keep(&mut self, nodes: &[StorageId]) {
        self.heard.retain(|node, _| nodes.contains(node));
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::{Boot, ChainVersion, Lsn};

    use super::*;

    const NODE: StorageId = StorageId(7);

    fn beat(boot: u64, oldest_sync: Duration) -> Beat {
        Beat {
            from: Incarnation { storage: NODE, boot: Boot(boot) },
            chain: ChainVersion(1),
            known_tail: None,
            applied: Lsn(0),
            oldest_sync,
            quorum_heard: None,
        }
    }

    fn at(millis: u64) -> Instant {
        Instant(millis * 1_000_000)
    }

    #[test]
    fn a_node_is_alive_until_it_has_been_silent_for_too_long() {
        let mut detector = Detector::new(DetectorConfig::default());
        assert_eq!(detector.state(NODE, at(0)), NodeState::Silent);
        let first = beat(1, Duration::ZERO);
        detector.heard(at(100), first.clone());
        assert_eq!(detector.state(NODE, at(299)), NodeState::Alive(first.from));
        assert_eq!(detector.state(NODE, at(300)), NodeState::Silent);
    }

    #[test]
    fn an_answer_that_waited_is_as_old_as_its_question() {
        let mut detector = Detector::new(DetectorConfig::default());
        detector.heard(at(400), beat(1, Duration::ZERO));
        // This process stood still and reads an old answer afterwards.
        detector.heard(at(100), beat(1, Duration::from_secs(9)));
        assert_eq!(detector.state(NODE, at(500)), NodeState::Alive(beat(1, Duration::ZERO).from));
    }

    #[test]
    fn an_earlier_process_of_the_node_is_ignored() {
        let mut detector = Detector::new(DetectorConfig::default());
        detector.heard(at(100), beat(2, Duration::ZERO));
        detector.heard(at(150), beat(1, Duration::ZERO));
        assert_eq!(detector.state(NODE, at(160)), NodeState::Alive(beat(2, Duration::ZERO).from));
        assert_eq!(detector.state(NODE, at(310)), NodeState::Silent, "the earlier process counts for nothing");
    }

    #[test]
    fn a_node_whose_disk_hangs_is_not_alive() {
        let mut detector = Detector::new(DetectorConfig::default());
        detector.heard(at(100), beat(1, Duration::from_millis(1_499)));
        assert!(detector.state(NODE, at(150)).alive().is_some(), "a slow disk is no hung disk");
        detector.heard(at(150), beat(1, Duration::from_millis(1_500)));
        assert_eq!(detector.state(NODE, at(200)), NodeState::Hung(beat(1, Duration::ZERO).from));
        assert_eq!(detector.state(NODE, at(200)).alive(), None);
    }
}

//! [`Detector`]: what the heartbeats of the other nodes say about them. Nothing here reads a clock or calls another
//! node.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use naxos_proto::contracts::Beat;
use naxos_proto::ids::{Incarnation, StorageId};
use naxos_proto::seams::Instant;

/// The shortest of this many answer times tells how far away a node is. Longer ones may include other waits.
const ANSWERS_KEPT: usize = 8;

/// When a node is suspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetectorConfig {
    /// A node is suspected when it has answered no question that was sent within this time. For a node that is far
    /// away, two round trips are added to the time: one until the last answer is here, because the next question is
    /// sent only after it, and one until the next answer is here.
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
    /// The node answers, but the others have not admitted it yet.
    Starting,
    /// The node does not answer.
    Silent,
}

impl NodeState {
    /// The node's process, if it may take a role in a new loglet.
    pub fn alive(self) -> Option<Incarnation> {
        match self {
            NodeState::Alive(incarnation) => Some(incarnation),
            NodeState::Hung(_) | NodeState::Starting | NodeState::Silent => None,
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
    /// How long the last answers took, newest first; at most [`ANSWERS_KEPT`].
    took: VecDeque<Duration>,
}

impl Heard {
    /// The time from a question to its answer, without other waits.
    fn round_trip(&self) -> Duration {
        self.took.iter().min().copied().unwrap_or_default()
    }
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

    /// Takes a node's answer, at `now`, to a question that was sent at `asked`. An answer of an earlier process, or to an
    /// earlier question, is ignored.
    pub fn heard(&mut self, asked: Instant, now: Instant, beat: Beat) {
        let newest = |old: &Heard| old.beat.from.boot <= beat.from.boot && old.asked <= asked;
        let storage = beat.from.storage;
        if self.heard.get(&storage).is_none_or(newest) {
            let mut took = self.heard.remove(&storage).map(|old| old.took).unwrap_or_default();
            took.truncate(ANSWERS_KEPT - 1);
            took.push_front(now.since(asked));
            self.heard.insert(storage, Heard { asked, beat, took });
        }
    }

    /// The state of `node` at `now`.
    pub fn state(&self, node: StorageId, now: Instant) -> NodeState {
        match self.heard.get(&node) {
            Some(heard) if now.since(heard.asked) < self.config.silent_for + heard.round_trip() * 2 => {
                if !heard.beat.admitted {
                    NodeState::Starting
                } else if heard.beat.oldest_sync < self.config.sync_for {
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
    use naxos_proto::release::ClusterVersion;

    use super::*;

    const NODE: StorageId = StorageId(7);

    fn beat(boot: u64, oldest_sync: Duration) -> Beat {
        Beat {
            from: Incarnation { storage: NODE, boot: Boot(boot) },
            nonce: boot,
            admitted: true,
            noted: vec![],
            synced: vec![],
            hears: vec![],
            chain: ChainVersion(1),
            known_tail: None,
            applied: Lsn(0),
            oldest_sync,
            quorum_heard: None,
            understood: ClusterVersion::FIRST,
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
        detector.heard(at(100), at(100), first.clone());
        assert_eq!(detector.state(NODE, at(299)), NodeState::Alive(first.from));
        assert_eq!(detector.state(NODE, at(300)), NodeState::Silent);
    }

    #[test]
    fn an_answer_that_waited_is_as_old_as_its_question() {
        let mut detector = Detector::new(DetectorConfig::default());
        detector.heard(at(400), at(400), beat(1, Duration::ZERO));
        // This process stood still and reads an old answer afterwards.
        detector.heard(at(100), at(450), beat(1, Duration::from_secs(9)));
        assert_eq!(detector.state(NODE, at(500)), NodeState::Alive(beat(1, Duration::ZERO).from));
    }

    /// A detector that has asked a node `questions` times, and the time of the last question. Each answer takes
    /// `round_trip` milliseconds. The next question follows 50 ms after the last one, or when its answer is here if
    /// that is later.
    fn far_away(round_trip: u64, questions: u64) -> (Detector, u64) {
        let mut detector = Detector::new(DetectorConfig::default());
        let every = round_trip.max(50);
        for question in 0..questions {
            let asked = question * every;
            detector.heard(at(asked), at(asked + round_trip), beat(1, Duration::ZERO));
        }
        (detector, (questions - 1) * every)
    }

    #[test]
    fn a_node_that_is_far_away_is_not_suspected_between_two_answers() {
        for round_trip in [1, 30, 100, 300] {
            let (detector, asked) = far_away(round_trip, 3);
            // The next question was sent up to 50 ms after the answer, and its answer is about to come.
            let late = at(asked + round_trip + 50 + round_trip);
            assert!(detector.state(NODE, late).alive().is_some(), "{round_trip} ms away");
            let silent = at(asked + 200 + 2 * round_trip);
            assert_eq!(detector.state(NODE, silent), NodeState::Silent, "{round_trip} ms away");
        }
    }

    #[test]
    fn an_answer_that_took_long_once_does_not_make_a_node_far_away() {
        let (mut detector, asked) = far_away(1, 3);
        detector.heard(at(asked + 50), at(asked + 450), beat(1, Duration::ZERO));
        assert_eq!(detector.state(NODE, at(asked + 50 + 202)), NodeState::Silent);
        let (mut moved, _) = far_away(100, 1);
        for question in 0..20 {
            moved.heard(at(1_000 + question * 50), at(1_001 + question * 50), beat(1, Duration::ZERO));
        }
        assert_eq!(moved.state(NODE, at(1_950 + 202)), NodeState::Silent, "it is near now");
    }

    #[test]
    fn an_earlier_process_of_the_node_is_ignored() {
        let mut detector = Detector::new(DetectorConfig::default());
        detector.heard(at(100), at(100), beat(2, Duration::ZERO));
        detector.heard(at(150), at(150), beat(1, Duration::ZERO));
        assert_eq!(detector.state(NODE, at(160)), NodeState::Alive(beat(2, Duration::ZERO).from));
        assert_eq!(detector.state(NODE, at(310)), NodeState::Silent, "the earlier process counts for nothing");
    }

    #[test]
    fn a_node_that_is_not_admitted_is_not_alive() {
        let mut detector = Detector::new(DetectorConfig::default());
        detector.heard(at(100), at(100), Beat { admitted: false, ..beat(1, Duration::ZERO) });
        assert_eq!(detector.state(NODE, at(110)), NodeState::Starting);
        assert_eq!(detector.state(NODE, at(110)).alive(), None);
        detector.heard(at(150), at(150), beat(1, Duration::ZERO));
        assert!(detector.state(NODE, at(160)).alive().is_some());
    }

    #[test]
    fn a_node_whose_disk_hangs_is_not_alive() {
        let mut detector = Detector::new(DetectorConfig::default());
        detector.heard(at(100), at(100), beat(1, Duration::from_millis(1_499)));
        assert!(detector.state(NODE, at(150)).alive().is_some(), "a slow disk is no hung disk");
        detector.heard(at(150), at(150), beat(1, Duration::from_millis(1_500)));
        assert_eq!(detector.state(NODE, at(200)), NodeState::Hung(beat(1, Duration::ZERO).from));
        assert_eq!(detector.state(NODE, at(200)).alive(), None);
    }
}

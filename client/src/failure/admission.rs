//! [`Admission`]: whether the other nodes let this process take part.
//!
//! A data directory may be an old copy: it was restored from a backup of the machine, or cloned. The copy has forgotten
//! what the directory has promised or stored since then, and a process on the copy would break these promises. So a
//! process takes part only when a majority of the voters has durably noted its start. The process counts itself if it
//! votes. The process ends when another node remembers a start of which the directory does not know, or was told of
//! batches that are not in the directory's journal (cluster 15). Before it takes part, a process hears what each of the
//! other nodes remembers, or waits for a while. The nodes also tell each other what they have noted
//! (`docs/protocol.md`, cluster 13).

use std::collections::BTreeSet;

use naxos_proto::contracts::{Beat, StartMark};
use naxos_proto::ids::StorageId;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::start_history::StartHistory;
use super::start_memory::StartMemory;

/// Another node remembers more of this data directory than the directory does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disowned {
    /// It remembers a start.
    #[error(
        "this data directory is a copy of one that was started later, or an old backup of it: node {by:016x} remembers its \
         start {noted}, of which the directory does not know; this is start {own}. Start the member with an empty data \
         directory. If a majority of the members is lost for good, see `naxos ctl recover`"
    )]
    Start {
        /// This start.
        own: StartMark,
        /// The node that remembers.
        by: u64,
        /// What it remembers.
        noted: StartMark,
    },
    /// It was told of durable batches that are not in the journal.
    #[error(
        "this data directory has lost what it had made durable: according to what earlier processes told node \
         {by:016x}, the journal must have at least {owed} batches; it has {found}. The disk reported syncs that it did \
         not do, or the end of the journal is damaged, or the directory is an old copy. Start the member with an empty \
         data directory. If a majority of the members is lost for good, see `naxos ctl recover`"
    )]
    Batches {
        /// How many batches this process found in the journal.
        found: u64,
        /// The node that remembers.
        by: u64,
        /// How many batches have to be there.
        owed: u64,
    },
}

/// What is known of the other nodes. The process itself is in both sets.
struct Others {
    heard: BTreeSet<StorageId>,
    noted_by: BTreeSet<StorageId>,
    /// Whether the process has waited long enough for the nodes that were not heard.
    has_waited: bool,
}

/// The nodes that have to note a start.
#[derive(Clone, Debug, Default)]
pub struct Electorate {
    /// The voters that the process knows from its own disk. A majority of each of these sets has to note the start.
    /// There are two sets while the voters are being changed.
    pub voters: Vec<BTreeSet<StorageId>>,
    /// The voters that the others have told, if their view is newer than what this process knows: a majority of these is
    /// enough, too. The earlier voters may be gone for good.
    pub told: Option<BTreeSet<StorageId>>,
    /// All data directories with a seat. The process waits a while to hear what each of them remembers.
    pub seated: BTreeSet<StorageId>,
}

/// See the module.
pub struct Admission {
    own: StorageId,
    start: StartMark,
    /// The earlier starts on the data directory, and this one.
    history: StartHistory,
    /// How many batches this process found in the journal.
    found: u64,
    electorate: Electorate,
    others: Mutex<Others>,
    admitted: watch::Sender<bool>,
    /// Whether `admitted` was ever true.
    was_admitted: watch::Sender<bool>,
    disowned: watch::Sender<Option<Disowned>>,
}

impl Admission {
    /// A process on the data directory `own` that has just started. `history` has the earlier starts, and `found` is the number
    /// of batches in the journal. A node remembers its own start.
    pub fn new(
        own: StorageId,
        start: StartMark,
        mut history: StartHistory,
        found: u64,
        electorate: Electorate,
    ) -> Self {
        history.add(start);
        let itself = BTreeSet::from([own]);
        let others = Mutex::new(Others { heard: itself.clone(), noted_by: itself, has_waited: false });
        let (admitted, was_admitted) = (watch::Sender::new(false), watch::Sender::new(false));
        let disowned = watch::Sender::new(None);
        let admission = Self { own, start, history, found, electorate, others, admitted, was_admitted, disowned };
        admission.conclude();
        admission
    }

    /// This start.
    pub fn start(&self) -> StartMark {
        self.start
    }

    /// Whether another node remembers more of this data directory than the directory does.
    pub fn is_contradicted_by(&self, beat: &Beat) -> bool {
        self.contradiction(beat).is_some()
    }

    fn contradiction(&self, beat: &Beat) -> Option<Disowned> {
        let by = beat.from.storage.0;
        let noted = beat.noted.iter().find(|(storage, start)| *storage == self.own && !self.history.knows(*start));
        if let Some((_, noted)) = noted {
            return Some(Disowned::Start { own: self.start, by, noted: *noted });
        }
        let synced = beat.synced.iter().find(|(storage, _)| *storage == self.own)?.1;
        let owed = synced.owed(self.start.boot);
        (owed > self.found).then_some(Disowned::Batches { found: self.found, by, owed })
    }

    /// Takes what another node has noted. The node must have been reached at its member's address: what a clone says is not
    /// to be believed. What the node has noted of third nodes goes into `memory`.
    pub fn hear(&self, beat: &Beat, memory: &dyn StartMemory) {
        if let Some(contradiction) = self.contradiction(beat) {
            self.disowned.send_replace(Some(contradiction));
            self.admitted.send_replace(false);
        }
        for (storage, start) in &beat.noted {
            if *storage != self.own {
                memory.note(*storage, *start);
            } else if *start == self.start {
                self.others.lock().noted_by.insert(beat.from.storage);
            }
        }
        self.others.lock().heard.insert(beat.from.storage);
        self.conclude();
    }

    /// From now on, nodes that were not heard are not waited for any more. A majority still has to note the start.
    pub fn has_waited(&self) {
        self.others.lock().has_waited = true;
        self.conclude();
    }

    fn conclude(&self) {
        let others = self.others.lock();
        let Electorate { voters, told, seated } = &self.electorate;
        let is_majority =
            |voters: &BTreeSet<StorageId>| voters.intersection(&others.noted_by).count() > voters.len() / 2;
        let is_noted = voters.iter().all(is_majority) || told.as_ref().is_some_and(is_majority);
        let are_heard = others.has_waited || seated.is_subset(&others.heard);
        let is_admitted = is_noted && are_heard && self.disowned.borrow().is_none();
        if is_admitted {
            self.was_admitted.send_replace(true);
        }
        self.admitted.send_if_modified(|admitted| is_admitted && !std::mem::replace(admitted, true));
    }

    /// Whether this process may take part. Once it may, this stays so until it is disowned.
    pub fn admitted(&self) -> watch::Receiver<bool> {
        self.admitted.subscribe()
    }

    /// Whether this process was ever admitted. This stays true when it is disowned.
    pub fn was_admitted(&self) -> watch::Receiver<bool> {
        self.was_admitted.subscribe()
    }

    /// Becomes an error when another node remembers more of this data directory than the directory does.
    pub fn disowned(&self) -> watch::Receiver<Option<Disowned>> {
        self.disowned.subscribe()
    }

    /// The voters that have not noted this start yet.
    pub fn lacks(&self) -> BTreeSet<StorageId> {
        let others = self.others.lock();
        self.electorate.voters.iter().flatten().filter(|voter| !others.noted_by.contains(voter)).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use naxos_proto::contracts::SyncedBatches;
    use naxos_proto::ids::{Boot, ChainVersion, Incarnation, Lsn};
    use naxos_proto::release::ClusterVersion;

    use super::*;

    /// How many batches the process found in its journal.
    const FOUND: u64 = 100;

    fn start(boot: u64) -> StartMark {
        StartMark { boot: Boot(boot), nonce: 7 }
    }

    /// A process with this boot count, whose directory remembers all starts up to it.
    fn admission(own: u64, boot: u64, voters: Vec<BTreeSet<StorageId>>) -> Admission {
        let mut history = StartHistory::default();
        (1..boot).for_each(|earlier| history.add(start(earlier)));
        let seated = voters.iter().flatten().copied().collect();
        Admission::new(StorageId(own), start(boot), history, FOUND, Electorate { voters, told: None, seated })
    }

    fn ids(ids: &[u64]) -> BTreeSet<StorageId> {
        ids.iter().copied().map(StorageId).collect()
    }

    fn beat(from: u64, noted: Option<StartMark>) -> Beat {
        let noted = noted.map(|mark| (StorageId(1), mark)).into_iter().collect();
        Beat {
            from: Incarnation { storage: StorageId(from), boot: Boot(1) },
            nonce: 1,
            admitted: true,
            noted,
            synced: vec![],
            hears: vec![],
            chain: ChainVersion(1),
            known_tail: None,
            applied: Lsn(0),
            oldest_sync: Duration::ZERO,
            quorum_heard: None,
            understood: ClusterVersion::FIRST,
        }
    }

    /// What was noted of third nodes.
    #[derive(Default)]
    struct Memory(Mutex<Vec<(StorageId, StartMark)>>);

    impl StartMemory for Memory {
        fn note(&self, storage: StorageId, start: StartMark) -> bool {
            self.0.lock().push((storage, start));
            true
        }

        fn is_latest(&self, _: StorageId, _: StartMark) -> bool {
            true
        }

        fn own_is_durable(&self) -> bool {
            true
        }

        fn noted(&self) -> Vec<(StorageId, StartMark)> {
            self.0.lock().clone()
        }
    }

    #[test]
    fn what_another_node_has_noted_of_third_nodes_is_noted_here_too() {
        let one = admission(1, 4, vec![ids(&[1, 2, 3])]);
        let memory = Memory::default();
        one.has_waited();
        let noted = vec![(StorageId(3), start(9)), (StorageId(1), start(4))];
        one.hear(&Beat { noted, ..beat(2, None) }, &memory);
        assert_eq!(memory.noted(), [(StorageId(3), start(9))]);
        assert!(is_admitted(&one));
    }

    fn is_admitted(admission: &Admission) -> bool {
        *admission.admitted().borrow()
    }

    #[test]
    fn the_only_voter_needs_nobody() {
        assert!(is_admitted(&admission(1, 1, vec![ids(&[1])])));
        let seated = ids(&[1, 2]);
        let electorate = Electorate { voters: vec![ids(&[1])], told: None, seated };
        let one = Admission::new(StorageId(1), start(1), StartHistory::default(), FOUND, electorate);
        assert!(!is_admitted(&one), "member 2 has no vote, but it may remember a later start");
        one.has_waited();
        assert!(is_admitted(&one));
        assert!(!is_admitted(&admission(2, 1, vec![ids(&[1])])), "it is not the voter");
    }

    #[test]
    fn a_majority_has_to_note_this_very_start() {
        let one = admission(1, 4, vec![ids(&[1, 2, 3, 4, 5])]);
        one.hear(&beat(2, Some(start(4))), &Memory::default());
        one.hear(&beat(2, Some(start(4))), &Memory::default());
        one.hear(&beat(3, None), &Memory::default());
        one.hear(&beat(4, Some(start(3))), &Memory::default());
        one.hear(&beat(9, Some(start(4))), &Memory::default());
        assert!(!is_admitted(&one), "one of them said it twice, one noted nothing, one has no vote");
        assert_eq!(one.lacks(), ids(&[3, 4, 5]));
        one.hear(&beat(4, Some(start(4))), &Memory::default());
        assert!(!is_admitted(&one), "voter 5 was not heard yet");
        one.has_waited();
        assert!(is_admitted(&one));
        assert_eq!(*one.disowned().borrow(), None);
    }

    #[test]
    fn a_voter_that_remembers_more_is_heard_before_a_majority_counts() {
        let one = admission(1, 4, vec![ids(&[1, 2, 3])]);
        one.hear(&beat(2, Some(start(4))), &Memory::default());
        assert!(!is_admitted(&one), "voter 3 was not heard yet");
        one.hear(&beat(3, Some(start(5))), &Memory::default());
        assert!(!is_admitted(&one) && one.disowned().borrow().is_some());
    }

    #[test]
    fn while_the_voters_change_a_majority_of_both_sets_has_to_note_the_start() {
        let one = admission(1, 1, vec![ids(&[1, 2, 3]), ids(&[1, 4, 5])]);
        one.hear(&beat(2, Some(start(1))), &Memory::default());
        one.has_waited();
        assert!(!is_admitted(&one));
        one.hear(&beat(5, Some(start(1))), &Memory::default());
        assert!(is_admitted(&one));
    }

    #[test]
    fn a_majority_of_newer_voters_is_enough() {
        let told = Some(ids(&[1, 6, 7]));
        let electorate = Electorate { voters: vec![ids(&[1, 2, 3])], told, seated: BTreeSet::new() };
        let one = Admission::new(StorageId(1), start(1), StartHistory::default(), FOUND, electorate);
        one.hear(&beat(7, Some(start(1))), &Memory::default());
        assert!(is_admitted(&one), "voters 2 and 3 were replaced");
    }

    #[test]
    fn a_process_that_was_admitted_and_is_disowned_takes_part_no_more() {
        let one = admission(1, 4, vec![ids(&[1, 2, 3])]);
        one.has_waited();
        one.hear(&beat(2, Some(start(4))), &Memory::default());
        assert!(is_admitted(&one));
        let contradicts = beat(3, Some(start(5)));
        assert!(one.is_contradicted_by(&contradicts) && !one.is_contradicted_by(&beat(3, Some(start(2)))));
        one.hear(&contradicts, &Memory::default());
        one.hear(&beat(2, Some(start(4))), &Memory::default());
        assert!(!is_admitted(&one) && *one.was_admitted().borrow(), "the node was admitted, so it has to be ended");
    }

    #[test]
    fn a_later_start_disowns_the_process() {
        for noted in [start(5), StartMark { nonce: 8, ..start(4) }, StartMark { nonce: 8, ..start(2) }] {
            let one = admission(1, 4, vec![ids(&[1, 2, 3])]);
            one.hear(&beat(2, Some(noted)), &Memory::default());
            assert!(!is_admitted(&one));
            let disowned = one.disowned().borrow().clone().unwrap();
            assert_eq!(disowned, Disowned::Start { own: start(4), by: 2, noted });
            assert!(disowned.to_string().contains("with an empty data directory"), "{disowned}");
        }
    }

    #[test]
    fn cluster_15_a_process_that_lost_batches_is_disowned() {
        let told = |synced: SyncedBatches| Beat { synced: vec![(StorageId(1), synced)], ..beat(2, Some(start(4))) };
        let earlier = |count| SyncedBatches { boot: Boot(3), count, earlier: 0 };
        let this = |earlier| SyncedBatches { boot: Boot(4), count: FOUND + 9, earlier };
        for synced in [earlier(FOUND), this(FOUND)] {
            let one = admission(1, 4, vec![ids(&[1, 2])]);
            one.hear(&told(synced), &Memory::default());
            assert!(is_admitted(&one), "nothing is lost, and this process has told its own batches: {synced:?}");
        }
        for synced in [earlier(FOUND + 1), this(FOUND + 1)] {
            let one = admission(1, 4, vec![ids(&[1, 2])]);
            one.hear(&told(synced), &Memory::default());
            assert!(!is_admitted(&one));
            let disowned = one.disowned().borrow().clone().unwrap();
            assert_eq!(disowned, Disowned::Batches { found: FOUND, by: 2, owed: FOUND + 1 });
            assert!(disowned.to_string().contains("must have at least 101 batches; it has 100"), "{disowned}");
        }
        let one = admission(1, 4, vec![ids(&[1, 2])]);
        let other = Beat { synced: vec![(StorageId(3), earlier(FOUND + 1))], ..beat(2, Some(start(4))) };
        one.hear(&other, &Memory::default());
        assert!(is_admitted(&one), "it is about another node");
    }
}

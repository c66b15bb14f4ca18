//! [`Record`]: the calls of all clients, their answers, and the events of the watch.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::leases::{Leases, lease_of};

/// The kind of a client's operation on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A linearizable read.
    Get,
    /// A read at an older revision.
    GetAt {
        /// The revision to read at.
        revision: i64,
    },
    /// Writes the operation's value to the key.
    Put,
    /// Removes the key.
    Delete,
    /// If the key's last change has this revision (0: the key does not exist), writes the value to the key and to its
    /// mirror. Otherwise reads the key.
    Swap {
        /// The expected revision of the key's last change.
        expected: i64,
    },
}

/// One operation of a client.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The kind of the operation.
    pub asked: Asked,
    /// The key.
    pub key: String,
    /// The value that a write writes. No other operation has the same.
    pub value: String,
    /// The newest revision that any client knew when this was sent.
    pub floor: i64,
    /// The newest revision that was known to be compacted when this was sent.
    pub compacted: i64,
    /// The lease that a put names; 0 for none.
    pub lease: i64,
    /// The answer. `None` while the outcome is unknown.
    pub answer: Option<Answer>,
    /// Whether the server answered that it did nothing.
    pub refused: bool,
}

/// The acknowledgement of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The revision in the header.
    pub revision: i64,
    /// Whether something was written.
    pub written: bool,
    /// What a read found: the revision of the key's last change, and the value.
    pub found: Option<(i64, String)>,
}

/// One change, as a watch reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The revision of the change.
    pub revision: i64,
    /// The key that changed.
    pub key: String,
    /// The new value. `None` if the key was removed.
    pub value: Option<String>,
    /// The revision at which the key was created.
    pub created: i64,
    /// How often the key was written since it was created.
    pub version: i64,
}

/// Everything that is known about one run.
#[derive(Debug, Default)]
pub struct Record {
    /// All operations, in the order in which they were sent.
    pub operations: Vec<Operation>,
    /// What each live watch received, in order, by the watch's number. If a watch lost changes to a compaction, they
    /// are taken from `audited`.
    pub watched: BTreeMap<usize, Vec<Change>>,
    /// All changes up to the end of the longest complete reading of the history. Changes that were compacted before
    /// that reading come from earlier readings.
    pub audited: Vec<Change>,
    /// The newest revision that any client knows.
    pub floor: i64,
    /// Violations that were found.
    pub broken: Vec<String>,
    /// Number of complete readings of the history.
    pub audits: u64,
    /// What clients know about leases.
    pub leases: Leases,
    /// The newest revision for which a compaction was requested.
    pub compaction_asked: i64,
    /// The newest revision for which a compaction was acknowledged.
    pub compaction_done: i64,
    /// Whether the node may refuse calls because of its disk. Holds until the node starts again.
    pub disk_fails: bool,
    /// In a cluster: the simulated time at which a host got an empty disk the last time.
    pub emptied: Duration,
    /// In a cluster: there are no faults any more, and nothing is written until the run ends.
    pub is_quiet: bool,
    /// Set while the journal's disk fails or the disk is full: the simulated time at which the node must have noticed
    /// it, and the text that the node must then report.
    pub sick: Option<(Duration, &'static str)>,
    /// How often a node with a sick disk was examined.
    pub examined: u64,
    /// Number of chores (compactions, reconfigurations, defragmentations) without an error. A compaction that had
    /// nothing to remove counts too.
    pub chores: u64,
}

/// A record that all clients of a run share.
pub type Shared = Rc<RefCell<Record>>;

impl Record {
    /// Notes that an operation is about to be sent. Returns its number.
    pub fn send(&mut self, asked: Asked, key: &str, value: String) -> usize {
        self.send_leased(asked, key, value, 0)
    }

    /// As [`Self::send`], for a put with a lease.
    pub fn send_leased(&mut self, asked: Asked, key: &str, value: String, lease: i64) -> usize {
        self.operations.push(Operation {
            asked,
            key: key.to_owned(),
            value,
            floor: self.floor,
            compacted: self.compaction_done,
            lease,
            answer: None,
            refused: false,
        });
        self.operations.len() - 1
    }

    /// Notes that the server answered that it did not do the operation.
    pub fn refuse(&mut self, number: usize) {
        self.operations[number].refused = true;
    }

    /// Notes an acknowledgement. Its revision must not be older than the newest one that any client knew when the
    /// operation was sent. That of a write must be newer.
    pub fn answer(&mut self, number: usize, answer: Answer) {
        let operation = &mut self.operations[number];
        let least = operation.floor + i64::from(answer.written);
        if answer.revision < least {
            self.broken
                .push(format!("revision {} is answered, at least {least} is due: {operation:?}", answer.revision));
        }
        self.floor = self.floor.max(answer.revision);
        operation.answer = Some(answer);
    }

    /// The last revision that a watch has received; 1 if it has received nothing.
    pub fn watched_up_to(&self, watch: usize) -> i64 {
        self.watched.get(&watch).and_then(|seen| seen.last()).map_or(1, |last| last.revision)
    }

    /// Adds changes that a live watch received at the time `now`. Revisions must follow each other without a gap, and
    /// no key of a lease may be removed too early.
    pub fn watch(&mut self, watch: usize, changes: Vec<Change>, now: Duration) {
        let seen = self.watched.entry(watch).or_default();
        for change in changes {
            let last = seen.last().map_or(1, |last| last.revision);
            if change.revision != last && change.revision != last + 1 {
                self.broken.push(format!("watch {watch} jumps from revision {last} to {change:?}"));
            }
            if let (None, Some(lease)) = (&change.value, lease_of(&change.key)) {
                self.broken.extend(self.leases.check_gone(lease, now));
            }
            seen.push(change);
        }
    }

    /// Notes that the server ended a watch that began at the revision `from`, because revisions up to `compacted` are
    /// compacted. The next watch begins after them.
    pub fn skip_compacted(&mut self, watch: usize, from: i64, compacted: i64) {
        if compacted > self.compaction_asked || compacted < from {
            self.broken.push(format!("watch {watch} from {from} is cancelled, compacted at {compacted}"));
        }
        let known = self.audited.iter().filter(|c| c.revision <= compacted).cloned().collect();
        self.watched.insert(watch, known);
    }

    /// Takes a complete reading of the history from the revision `from` on. Changes before `from` are compacted and are
    /// kept from earlier readings. No change that was seen before may be missing or different. `known` is the number of
    /// changes that were known from earlier readings when this reading began. The history must have at least as many
    /// changes now. Readings of different nodes overlap, so the longest one is kept.
    pub fn audit(&mut self, from: i64, changes: Vec<Change>, known: usize) {
        if from - 1 > self.compaction_asked {
            self.broken.push(format!("revision {} is compacted, nobody asked for it", from - 1));
        }
        let mut whole: Vec<Change> = self.audited.iter().filter(|c| c.revision < from).cloned().collect();
        whole.extend(changes);
        let watches = self.watched.iter().map(|(watch, seen)| (seen, 0, format!("watch {watch}")));
        let earlier = (&self.audited, known, "an earlier reading".to_owned());
        for (seen, least, by) in watches.chain([earlier]) {
            // A watch, or a reading of another node, may have seen changes that were written after this reading.
            let common = seen.len().min(whole.len());
            if common < least || seen[..common] != whole[..common] {
                let at = (0..common).find(|i| seen[*i] != whole[*i]).unwrap_or(common);
                let (old, new) = (seen.get(at), whole.get(at));
                self.broken.push(format!("history has changed: {by} saw {old:?}, now it is {new:?}"));
            }
        }
        if whole.len() >= self.audited.len() {
            self.audited = whole;
        }
        self.audits += 1;
    }

    /// Checks that each watch has received the whole history. No client may have written since the last reading.
    pub fn check_watches_are_whole(&mut self) {
        for (watch, seen) in &self.watched {
            if *seen != self.audited {
                let (has, due) = (seen.len(), self.audited.len());
                self.broken.push(format!("watch {watch} received {has} changes, the history has {due}"));
            }
        }
    }

    /// Number of operations that were acknowledged, and of those that were not.
    pub fn outcomes(&self) -> (usize, usize) {
        let acknowledged = self.operations.iter().filter(|o| o.answer.is_some()).count();
        (acknowledged, self.operations.len() - acknowledged)
    }

    /// Number of writes that were acknowledged.
    pub fn writes(&self) -> usize {
        self.operations.iter().filter(|o| o.answer.as_ref().is_some_and(|a| a.written)).count()
    }

    /// The keys after all changes of the history.
    pub fn final_state(history: &[Change]) -> BTreeMap<String, Change> {
        let mut state = BTreeMap::new();
        for change in history {
            match change.value {
                Some(_) => drop(state.insert(change.key.clone(), change.clone())),
                None => drop(state.remove(&change.key)),
            }
        }
        state
    }
}

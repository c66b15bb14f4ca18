//! [`Record`]: what clients asked, what they heard, and what the watcher saw.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::leases::{Leases, lease_of};

/// What a client asks of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A linearizable read.
    Get,
    /// A read of the past.
    GetAt {
        /// The revision that is looked back to.
        revision: i64,
    },
    /// Writes the operation's value.
    Put,
    /// Removes the key.
    Delete,
    /// If the key's last change was at this revision (0: there is no key), writes the value to the key and to its
    /// mirror; reads the key otherwise.
    Swap {
        /// The expected revision.
        expected: i64,
    },
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What was asked.
    pub asked: Asked,
    /// Of which key.
    pub key: String,
    /// The value that a write writes: no other operation has it.
    pub value: String,
    /// The newest revision that any client knew when this was sent.
    pub floor: i64,
    /// The newest revision that was certainly compacted when this was sent.
    pub compacted: i64,
    /// The lease that a put names; 0 for none.
    pub lease: i64,
    /// `None` while nobody knows the outcome.
    pub answer: Option<Answer>,
    /// Whether the server said that it did nothing.
    pub refused: bool,
}

/// An acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The header's revision.
    pub revision: i64,
    /// Whether something was written.
    pub written: bool,
    /// What a read found: the revision of the last change, and the value.
    pub found: Option<(i64, String)>,
}

/// One change, as a watch tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// At which revision.
    pub revision: i64,
    /// Of which key.
    pub key: String,
    /// The new value; `None` when it was removed.
    pub value: Option<String>,
    /// When the key was made.
    pub created: i64,
    /// How often it was written since.
    pub version: i64,
}

/// Everything that is known of one run.
#[derive(Debug, Default)]
pub struct Record {
    /// All operations, in the order of their sending.
    pub operations: Vec<Operation>,
    /// What the live watch saw, in order.
    pub watched: Vec<Change>,
    /// What the last complete reading of the history saw.
    pub audited: Vec<Change>,
    /// The newest revision that any client knows.
    pub floor: i64,
    /// What must not be.
    pub broken: Vec<String>,
    /// Complete readings of the history.
    pub audits: u64,
    /// What is known of leases.
    pub leases: Leases,
    /// The newest revision that somebody asked to compact.
    pub compaction_asked: i64,
    /// The newest one that was acknowledged.
    pub compaction_done: i64,
    /// Refusals for the disk's sake are right, until the node starts again.
    pub disk_fails: bool,
    /// The disk fails or is full, as the node must have found out: since when, and what the node must say.
    pub sick: Option<(Duration, &'static str)>,
    /// How often a sick node was looked at.
    pub examined: u64,
    /// What was done beside reads and writes.
    pub chores: u64,
}

/// A record that all clients of a run share.
pub type Shared = Rc<RefCell<Record>>;

impl Record {
    /// Notes that an operation is about to be sent; its number.
    pub fn send(&mut self, asked: Asked, key: &str, value: String) -> usize {
        self.send_leased(asked, key, value, 0)
    }

    /// As [`Self::send`], of a put under a lease.
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

    /// Notes that the server did not do an operation, as it says.
    pub fn refuse(&mut self, number: usize) {
        self.operations[number].refused = true;
    }

    /// Notes an acknowledgement. Revisions never go back, and a write has one that nobody knew before.
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

    /// Takes what a watch sent, at a time. Revisions follow each other without a gap, and no lease's key goes early.
    pub fn watch(&mut self, changes: Vec<Change>, now: Duration) {
        for change in changes {
            let last = self.watched.last().map_or(1, |last| last.revision);
            if change.revision != last && change.revision != last + 1 {
                self.broken.push(format!("the watch jumps from revision {last} to {change:?}"));
            }
            if let (None, Some(lease)) = (&change.value, lease_of(&change.key)) {
                self.broken.extend(self.leases.check_gone(lease, now));
            }
            self.watched.push(change);
        }
    }

    /// The watch from `from` on was told that revisions up to `compacted` are gone: it goes on behind them.
    pub fn skip_compacted(&mut self, from: i64, compacted: i64) {
        if compacted > self.compaction_asked || compacted < from {
            self.broken.push(format!("a watch from {from} is cancelled, compacted at {compacted}"));
        }
        self.watched = self.audited.iter().filter(|c| c.revision <= compacted).cloned().collect();
    }

    /// Takes a complete reading of the history from a revision on: nothing that was seen once may be gone or different,
    /// but for what is compacted, which earlier readings have seen.
    pub fn audit(&mut self, from: i64, changes: Vec<Change>) {
        if from - 1 > self.compaction_asked {
            self.broken.push(format!("revision {} is compacted, nobody asked for it", from - 1));
        }
        let mut whole: Vec<Change> = self.audited.iter().filter(|c| c.revision < from).cloned().collect();
        whole.extend(changes);
        for (seen, by) in [(&self.watched, "the watch"), (&self.audited, "an earlier reading")] {
            // The live watch may be ahead of the reading by what was written meanwhile.
            let common = seen.len().min(whole.len());
            let shrunk = by != "the watch" && common < seen.len();
            if shrunk || seen[..common] != whole[..common] {
                let at = (0..common).find(|i| seen[*i] != whole[*i]).unwrap_or(common);
                let (old, new) = (seen.get(at), whole.get(at));
                self.broken.push(format!("history has changed: {by} saw {old:?}, now it is {new:?}"));
            }
        }
        self.audited = whole;
        self.audits += 1;
    }

    /// How many operations were acknowledged, and how many not.
    pub fn outcomes(&self) -> (usize, usize) {
        let acknowledged = self.operations.iter().filter(|o| o.answer.is_some()).count();
        (acknowledged, self.operations.len() - acknowledged)
    }

    /// Writes that were acknowledged.
    pub fn writes(&self) -> usize {
        self.operations.iter().filter(|o| o.answer.as_ref().is_some_and(|a| a.written)).count()
    }

    /// The keys as the history leaves them.
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

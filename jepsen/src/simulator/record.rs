//! [`Record`]: what clients asked, what they heard, and what the watcher saw.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What a client asks of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A linearizable read.
    Get,
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
    /// `None` while nobody knows the outcome.
    pub answer: Option<Answer>,
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
}

/// A record that all clients of a run share.
pub type Shared = Rc<RefCell<Record>>;

impl Record {
    /// Notes that an operation is about to be sent; its number.
    pub fn send(&mut self, asked: Asked, key: &str, value: String) -> usize {
        let operation = Operation { asked, key: key.to_owned(), value, floor: self.floor, answer: None };
        self.operations.push(operation);
        self.operations.len() - 1
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

    /// Takes what a watch sent. Revisions follow each other without a gap.
    pub fn watch(&mut self, changes: Vec<Change>) {
        for change in changes {
            let last = self.watched.last().map_or(1, |last| last.revision);
            if change.revision != last && change.revision != last + 1 {
                self.broken.push(format!("the watch jumps from revision {last} to {change:?}"));
            }
            self.watched.push(change);
        }
    }

    /// Takes a complete reading of the history: nothing that was seen once may be gone or different.
    pub fn audit(&mut self, changes: Vec<Change>) {
        for (seen, by) in [(&self.watched, "the watch"), (&self.audited, "an earlier reading")] {
            // The live watch may be ahead of the reading by what was written meanwhile.
            let common = seen.len().min(changes.len());
            let shrunk = by != "the watch" && common < seen.len();
            if shrunk || seen[..common] != changes[..common] {
                let at = (0..common).find(|i| seen[*i] != changes[*i]).unwrap_or(common);
                let (old, new) = (seen.get(at), changes.get(at));
                self.broken.push(format!("history has changed: {by} saw {old:?}, now it is {new:?}"));
            }
        }
        self.audited = changes;
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

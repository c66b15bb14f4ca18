//! The checks of a finished run: every operation against the complete history.
//!
//! Every answer has a revision, so linearizability needs no search for an order. An acknowledged write must be in the
//! history at its revision. A read must show the state at its revision. And no revision in an answer may be older than
//! the newest one that any client knew when the call began (checked by [`super::record::Record::answer`]).

use std::collections::{BTreeMap, BTreeSet};

use super::calls::mirror;
use super::leases::lease_of;
use super::record::{Answer, Asked, Change, Operation, Record};

/// The history, indexed in several ways.
struct Ledger<'a> {
    by_key: BTreeMap<&'a str, Vec<&'a Change>>,
    /// The places at which each value was written. A place is a key and a revision.
    by_value: BTreeMap<&'a str, Vec<(&'a str, i64)>>,
    /// Removals that are not explained by an acknowledged operation.
    removals: BTreeSet<(&'a str, i64)>,
    broken: Vec<String>,
}

/// All violations in this run, one text for each.
pub fn violations(record: &Record) -> Vec<String> {
    let mut ledger = Ledger::new(&record.audited);
    ledger.check_history(&record.audited);
    for operation in &record.operations {
        match &operation.answer {
            Some(answer) => ledger.check_answered(operation, answer),
            None => ledger.check_unknown(operation),
        }
    }
    ledger.check_leases(&record.audited);
    ledger.check_explained(&record.operations);
    let mut broken = record.broken.clone();
    broken.append(&mut ledger.broken);
    broken
}

impl<'a> Ledger<'a> {
    fn new(history: &'a [Change]) -> Self {
        let (mut by_key, mut by_value) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
        let mut removals = BTreeSet::new();
        for change in history {
            by_key.entry(change.key.as_str()).or_default().push(change);
            match &change.value {
                Some(value) => by_value.entry(value.as_str()).or_default().push((change.key.as_str(), change.revision)),
                None => drop(removals.insert((change.key.as_str(), change.revision))),
            }
        }
        Ledger { by_key, by_value, removals, broken: Vec::new() }
    }

    /// The last change of a key up to a revision. `None` if the key does not exist at that revision.
    fn at(&self, key: &str, revision: i64) -> Option<&'a Change> {
        let changes = self.by_key.get(key)?;
        let before = changes.partition_point(|c| c.revision <= revision);
        changes[..before].last().copied().filter(|c| c.value.is_some())
    }

    /// Checks that revisions follow each other without a gap, that no key changes twice at one revision, and that the
    /// creation revision and the version of each change fit the key's earlier changes.
    fn check_history(&mut self, history: &[Change]) {
        let mut last = 1;
        for change in history {
            if change.revision != last && change.revision != last + 1 {
                self.broken.push(format!("the history jumps from revision {last} to {change:?}"));
            }
            last = change.revision;
            let before = self.at(&change.key, change.revision - 1);
            let due = match (&change.value, before) {
                (Some(_), Some(before)) => (before.created, before.version + 1),
                (Some(_), None) => (change.revision, 1),
                (None, Some(_)) => (0, 0),
                (None, None) => {
                    self.broken.push(format!("a key that is not there is removed: {change:?}"));
                    continue;
                }
            };
            if (change.created, change.version) != due {
                self.broken.push(format!("creation and version are to be {due:?}: {change:?}"));
            }
        }
        for (key, changes) in &self.by_key {
            if changes.windows(2).any(|pair| pair[0].revision >= pair[1].revision) {
                self.broken.push(format!("a revision is used twice for {key}"));
            }
        }
    }

    /// The keys that this operation changes if it writes.
    fn keys(operation: &Operation) -> Vec<String> {
        match operation.asked {
            Asked::Swap { .. } => vec![operation.key.clone(), mirror(&operation.key)],
            _ => vec![operation.key.clone()],
        }
    }

    /// Whether the operation's value was written to exactly its keys at exactly this revision.
    fn written_at(&self, operation: &Operation, revision: i64) -> bool {
        let keys = Self::keys(operation);
        let due: Vec<(&str, i64)> = keys.iter().map(|key| (key.as_str(), revision)).collect();
        self.by_value.get(operation.value.as_str()).is_some_and(|places| *places == due)
    }

    fn check_answered(&mut self, operation: &Operation, answer: &Answer) {
        let (key, revision) = (operation.key.as_str(), answer.revision);
        let state = |at: Option<&Change>| at.map(|c| (c.revision, c.value.clone().unwrap_or_default()));
        let is_read_right = || state(self.at(key, revision)) == answer.found;
        let holds = match (&operation.asked, answer.written) {
            (Asked::Get, _) => is_read_right(),
            (Asked::GetAt { revision }, _) => {
                state(self.at(key, *revision)) == answer.found && *revision >= operation.compacted
            }
            (Asked::Put, _) => self.written_at(operation, revision),
            (Asked::Delete, true) => {
                let removal = self.by_key.get(key).into_iter().flatten();
                removal.into_iter().any(|c| c.revision == revision && c.value.is_none())
            }
            (Asked::Delete, false) => self.at(key, revision).is_none(),
            (Asked::Swap { expected }, true) => {
                let before = self.at(key, revision - 1).map_or(0, |c| c.revision);
                before == *expected && self.written_at(operation, revision)
            }
            (Asked::Swap { expected }, false) => {
                is_read_right() && self.at(key, revision).map_or(0, |c| c.revision) != *expected
            }
        };
        if !holds {
            let now = self.at(key, revision);
            self.broken.push(format!("acknowledged, but the history disagrees: {operation:?}; it has {now:?}"));
        }
        if operation.asked == Asked::Delete && answer.written {
            let explained = self.removals.iter().find(|(k, r)| *k == key && *r == revision).copied();
            if let Some(explained) = explained {
                self.removals.remove(&explained);
            }
        }
    }

    /// Checks a write without an acknowledgement. It must have happened completely and once, after it was sent, or not
    /// at all. A write that the server refused must not have happened.
    fn check_unknown(&mut self, operation: &Operation) {
        let Some((_, revision)) = self.by_value.get(operation.value.as_str()).and_then(|p| p.first()).copied() else {
            return;
        };
        if operation.refused {
            self.broken.push(format!("refused and done at revision {revision}: {operation:?}"));
        }
        if !self.written_at(operation, revision) || revision <= operation.floor {
            let places = &self.by_value[operation.value.as_str()];
            self.broken.push(format!(
                "a write without an acknowledgement was done in part, twice or before it was sent, at {places:?}: \
                 {operation:?}"
            ));
        }
        if let Asked::Swap { expected } = operation.asked {
            let before = self.at(&operation.key, revision - 1).map_or(0, |c| c.revision);
            if before != expected {
                self.broken.push(format!("a swap was done over revision {before}: {operation:?}"));
            }
        }
    }

    /// Checks that a lease ends only once: its keys are not removed at different revisions, and none is written after
    /// the first removal. All leases have ended before the history is read for the last time, so no leased key may be
    /// left. The removals of leased keys need no operation that explains them.
    fn check_leases(&mut self, history: &[Change]) {
        let mut ends = BTreeMap::<i64, i64>::new();
        for change in history {
            let Some(lease) = lease_of(&change.key) else { continue };
            match (&change.value, ends.get(&lease)) {
                (None, None) => drop(ends.insert(lease, change.revision)),
                (None, Some(end)) if *end == change.revision => {}
                (_, None) => {}
                (_, Some(end)) => self.broken.push(format!("lease {lease} ended at revision {end}, then {change:?}")),
            }
        }
        for (key, changes) in &self.by_key {
            let is_left = changes.last().is_some_and(|change| change.value.is_some());
            if is_left && let Some(lease) = lease_of(key) {
                self.broken.push(format!("lease {lease} has ended, and its key {key} is still there"));
            }
        }
        self.removals.retain(|(key, _)| lease_of(key).is_none());
    }

    /// Checks that each change in the history was asked for by some client.
    fn check_explained(&mut self, operations: &[Operation]) {
        let asked: BTreeSet<&str> = operations
            .iter()
            .filter(|o| matches!(o.asked, Asked::Put | Asked::Swap { .. }))
            .map(|o| o.value.as_str())
            .collect();
        for (value, places) in &self.by_value {
            if !asked.contains(value) {
                self.broken.push(format!("nobody wrote what is at {places:?}"));
            }
        }
        let mut unknown = BTreeMap::<&str, usize>::new();
        for operation in operations.iter().filter(|o| o.asked == Asked::Delete && o.answer.is_none() && !o.refused) {
            *unknown.entry(operation.key.as_str()).or_default() += 1;
        }
        for (key, revision) in &self.removals {
            match unknown.get_mut(key).filter(|left| **left > 0) {
                Some(left) => *left -= 1,
                None => self.broken.push(format!("nobody removed {key} at revision {revision}")),
            }
        }
    }
}

//! [`Observed`]: what one observer has received, and what the history says that it must have received.

use std::collections::BTreeMap;

use super::super::record::Change;
use super::wish::Wish;

/// An event, and what the key had before, if the event carries that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The change that the event reports.
    pub change: Change,
    /// What the key had before.
    pub before: Option<Change>,
}

/// An event that was received.
#[derive(Debug)]
struct Received {
    event: Event,
    /// Whether what the key had before may have been compacted when the event was sent.
    may_lack_before: bool,
}

/// What one observer has received through all its watches, which follow each other.
#[derive(Debug)]
pub struct Observed {
    wish: Wish,
    received: Vec<Received>,
    /// The observer has everything up to this revision. The next watch begins after it.
    done: i64,
    /// For each notification of progress, its revision, and how many events had been received before it.
    notified: Vec<(i64, usize)>,
    /// First and last revision of the changes that were compacted before the observer got them.
    lost: Vec<(i64, i64)>,
}

impl Observed {
    /// Nothing so far. A cluster begins with revision 1, at which no key exists.
    pub fn new(wish: Wish) -> Self {
        Observed { wish, received: Vec::new(), done: 1, notified: Vec::new(), lost: Vec::new() }
    }

    /// What the observer asks for.
    pub fn wish(&self) -> &Wish {
        &self.wish
    }

    /// The observer has everything up to this revision.
    pub fn done(&self) -> i64 {
        self.done
    }

    /// Takes all events of one whole answer. `compacted` is the newest revision for which a compaction was asked.
    ///
    /// # Errors
    /// If the watch did not ask for such an event, or had already received everything up to its revision.
    pub fn take(&mut self, events: Vec<Event>, compacted: i64) -> Result<(), String> {
        let before = self.done;
        for event in events {
            let revision = event.change.revision;
            if revision <= before || revision < self.done {
                return Err(format!("everything up to {} was there, then comes {event:?}", self.done.max(before)));
            }
            if !self.wish.wants(&event.change) || (event.before.is_some() && !self.wish.prev_kv) {
                return Err(format!("nobody asked for {event:?}"));
            }
            self.done = revision;
            self.received.push(Received { event, may_lack_before: compacted >= revision });
        }
        Ok(())
    }

    /// Takes a notification that all events up to `revision` have been sent.
    pub fn notify(&mut self, revision: i64) {
        self.notified.push((revision, self.received.len()));
        self.done = self.done.max(revision);
    }

    /// Notes that the server ended the watch, because everything up to `compacted` is compacted. `asked` is the newest
    /// revision for which a compaction was asked.
    ///
    /// # Errors
    /// If the watch lacks nothing of that, or nobody asked for the compaction.
    pub fn lose(&mut self, compacted: i64, asked: i64) -> Result<(), String> {
        if compacted <= self.done || compacted > asked {
            return Err(format!(
                "it has everything up to {}, compactions were asked for up to {asked}, and it is cancelled because of \
                 a compaction at {compacted}",
                self.done
            ));
        }
        self.lost.push((self.done + 1, compacted));
        self.done = compacted;
        Ok(())
    }

    fn is_lost(&self, revision: i64) -> bool {
        self.lost.iter().any(|(first, last)| (*first..=*last).contains(&revision))
    }

    /// The events that must have been received when the whole history is known.
    fn due(&self, history: &[Change]) -> Vec<Event> {
        let (mut state, mut due) = (BTreeMap::<&str, &Change>::new(), Vec::new());
        for change in history {
            let before = match change.value {
                Some(_) => state.insert(&change.key, change),
                None => state.remove(change.key.as_str()),
            };
            if self.wish.wants(change) && !self.is_lost(change.revision) {
                due.push(Event { change: change.clone(), before: before.cloned().filter(|_| self.wish.prev_kv) });
            }
        }
        due
    }

    /// Whether everything has arrived that is due after this history, notifications included.
    pub fn is_whole(&self, history: &[Change]) -> bool {
        let last = history.last().map_or(1, |last| last.revision);
        let is_told = self.done >= last || !(self.wish.notifies || self.wish.asks);
        is_told && self.received.len() >= self.due(history).len()
    }

    /// Compares everything with the whole history. Returns what is wrong.
    pub fn violations(&self, history: &[Change]) -> Vec<String> {
        let (due, mut broken) = (self.due(history), Vec::new());
        let is_right = |got: &Received, due: &Event| {
            let lacks = got.may_lack_before && got.event.before.is_none();
            got.event.change == due.change && (lacks || got.event.before == due.before)
        };
        let common = due.len().min(self.received.len());
        if let Some(at) = (0..common).find(|at| !is_right(&self.received[*at], &due[*at])) {
            broken.push(format!("event {at} is {:?}, due is {:?}", self.received[at].event, due[at]));
        } else if due.len() != self.received.len() {
            let (has, wants) = (self.received.len(), due.len());
            let next = due.get(common);
            broken.push(format!(
                "it received {has} events, but {wants} were due; it is at revision {}, first missing: {next:?}",
                self.done
            ));
        }
        let last = history.last().map_or(1, |last| last.revision);
        for (revision, before) in &self.notified {
            let wants = due.partition_point(|event| event.change.revision <= *revision);
            if wants != *before || *revision > last {
                let what =
                    format!("progress {revision} of {last} came after {before} events, but {wants} events were due");
                broken.push(what);
                break;
            }
        }
        if self.done < last && (self.wish.notifies || self.wish.asks) {
            broken.push(format!("it was told only that it has everything up to {} of {last}", self.done));
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::etcd::client::etcdserverpb::watch_create_request::FilterType;

    use super::*;

    fn wish() -> Wish {
        Wish { prefix: "k", prev_kv: true, filter: None, notifies: false, asks: false, fragments: false }
    }

    fn change(revision: i64, value: Option<&str>) -> Change {
        let (created, version) = if value.is_some() { (2, revision - 1) } else { (0, 0) };
        Change { revision, key: "k1".to_owned(), value: value.map(str::to_owned), created, version }
    }

    fn history() -> Vec<Change> {
        vec![change(2, Some("a")), change(3, Some("b")), change(4, None)]
    }

    fn event(history: &[Change], at: usize) -> Event {
        Event { change: history[at].clone(), before: at.checked_sub(1).map(|before| history[before].clone()) }
    }

    #[test]
    fn what_is_missing_or_has_a_wrong_value_before_is_found() {
        let history = history();
        let mut seen = Observed::new(wish());
        assert_eq!(seen.take((0..2).map(|at| event(&history, at)).collect(), 0), Ok(()));
        assert!(!seen.is_whole(&history));
        assert_eq!(seen.violations(&history).len(), 1, "the removal is missing");
        let wrong = Event { before: Some(history[0].clone()), ..event(&history, 2) };
        assert_eq!(seen.take(vec![wrong], 0), Ok(()));
        assert_eq!(seen.violations(&history).len(), 1, "the value before the removal is an older one");
    }

    #[test]
    fn a_value_before_may_be_missing_only_after_a_compaction() {
        let history = history();
        for (compacted, broken) in [(2, 1), (3, 0)] {
            let mut seen = Observed::new(wish());
            assert_eq!(seen.take(vec![event(&history, 0)], 0), Ok(()));
            assert_eq!(seen.take(vec![Event { before: None, ..event(&history, 1) }], compacted), Ok(()));
            assert_eq!(seen.take(vec![event(&history, 2)], 0), Ok(()));
            assert_eq!(seen.violations(&history).len(), broken, "compacted at {compacted}");
        }
    }

    #[test]
    fn a_notification_that_runs_ahead_and_what_was_filtered_are_found() {
        let history = history();
        let mut seen = Observed::new(Wish { filter: Some(FilterType::Noput), notifies: true, ..wish() });
        assert!(seen.take(vec![event(&history, 1)], 0).is_err(), "a put");
        seen.notify(3);
        assert!(seen.take(vec![event(&history, 1)], 0).is_err(), "older than the notification");
        assert!(!seen.is_whole(&history));
        assert_eq!(seen.take(vec![event(&history, 2)], 0), Ok(()));
        assert_eq!(seen.violations(&history), [""; 0]);
        let mut ahead = Observed::new(*seen.wish());
        ahead.notify(4);
        assert!(!ahead.violations(&history).is_empty(), "the removal did not come before the notification");
        let mut late = Observed::new(*seen.wish());
        assert!(late.lose(3, 2).is_err(), "nobody asked for that compaction");
        assert_eq!(late.lose(3, 3), Ok(()));
        assert!(late.lose(3, 3).is_err(), "the next watch begins after revision 3, so it lacks nothing");
        assert_eq!(late.take(vec![event(&history, 2)], 3), Ok(()));
        assert_eq!(late.violations(&history), [""; 0]);
    }
}

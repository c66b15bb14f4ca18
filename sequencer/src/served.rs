//! [`Served`]: the loglets that a sequencer's process serves, each only once in the life of the process.

use std::collections::BTreeMap;
use std::sync::Arc;

use naxos_proto::contracts::Refusal;
use naxos_proto::ids::LogletId;

/// The served loglets by their ids, at most `max` of them. To make room, the one with the lowest id is removed. It is
/// never served again, because it would begin at offset 0 and give out offsets a second time.
#[derive(Debug)]
pub(crate) struct Served<T> {
    max: usize,
    loglets: BTreeMap<LogletId, Arc<T>>,
    /// The highest id that was removed.
    let_go: Option<LogletId>,
}

impl<T> Served<T> {
    /// No loglet is served yet.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, loglets: BTreeMap::new(), let_go: None }
    }

    /// The state of loglet `id`, if it is served.
    pub(crate) fn get(&self, id: LogletId) -> Result<Arc<T>, Refusal> {
        self.loglets.get(&id).cloned().ok_or(Refusal::NotServed(id))
    }

    /// The states of all served loglets, lowest id first.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        self.loglets.values().cloned().collect()
    }

    /// The ids and states of all served loglets, lowest id first.
    pub(crate) fn all_with_ids(&self) -> Vec<(LogletId, Arc<T>)> {
        self.loglets.iter().map(|(id, state)| (*id, Arc::clone(state))).collect()
    }

    /// The states of the served loglets of the same log with an ordinal below that of `id`.
    pub(crate) fn all_below(&self, id: LogletId) -> Vec<Arc<T>> {
        let is_earlier = |other: &LogletId| other.log == id.log && other.ordinal < id.ordinal;
        self.loglets.iter().filter(|(other, _)| is_earlier(other)).map(|(_, state)| Arc::clone(state)).collect()
    }

    /// Begins to serve `id` with the state that `make` returns, and returns that state. `None` if the loglet is served
    /// already. Refused if this loglet or one with a higher id was removed, or if there is no room because the loglets
    /// that are served all have higher ids.
    pub(crate) fn serve(&mut self, id: LogletId, make: impl FnOnce() -> T) -> Result<Option<Arc<T>>, Refusal> {
        if self.loglets.contains_key(&id) {
            return Ok(None);
        }
        if self.let_go.is_some_and(|highest| id <= highest) {
            return Err(Refusal::NotServed(id));
        }
        self.loglets.insert(id, Arc::new(make()));
        while self.loglets.len() > self.max {
            self.let_go = self.loglets.pop_first().map(|(id, _)| id);
        }
        // If `id` is the lowest of all, the loop may have removed this very loglet. Then it is refused.
        self.get(id).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_4_a_loglet_that_was_let_go_is_never_served_again() {
        let id = |ordinal| LogletId { ordinal, ..LogletId::default() };
        let mut served = Served::new(2);
        assert_eq!(served.get(id(1)), Err(Refusal::NotServed(id(1))));
        assert_eq!(served.serve(id(1), || 'a'), Ok(Some(Arc::new('a'))));
        assert_eq!(served.serve(id(2), || 'b'), Ok(Some(Arc::new('b'))));
        assert_eq!(served.serve(id(1), || 'x'), Ok(None), "it is served already");
        assert_eq!(served.all_below(id(2)), [Arc::new('a')]);
        assert_eq!(served.get(id(1)).as_deref(), Ok(&'a'));
        assert!(served.serve(id(3), || 'c').is_ok());
        assert_eq!(served.serve(id(1), || 'x'), Err(Refusal::NotServed(id(1))), "it gave out offsets before");
        assert_eq!(served.get(id(1)), Err(Refusal::NotServed(id(1))));
        assert_eq!(served.get(id(2)).as_deref(), Ok(&'b'));
        let mut full = Served::new(1);
        assert!(full.serve(id(2), || 'b').is_ok());
        assert_eq!(full.serve(id(1), || 'a'), Err(Refusal::NotServed(id(1))), "it would be let go at once");
    }
}

//! The upper half: measures apply of the engine above.

use std::sync::Arc;

use naxos_proto::ids::Lsn;

use super::observed::Observed;
use crate::engine::Applicator;
use crate::entry::Entry;
use crate::local_store::Txn;

/// The upper half of the engine. It reads the clock in apply, but what it reads goes into no row.
pub struct ObserverApply<A> {
    up: A,
    observed: Arc<Observed>,
}

impl<A> ObserverApply<A> {
    /// Measures `up`, which is the upper half of the observed engine.
    pub fn new(up: A, observed: &Arc<Observed>) -> Self {
        Self { up, observed: Arc::clone(observed) }
    }
}

impl<A: Applicator> Applicator for ObserverApply<A> {
    type Output = A::Output;

    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, entry: &Entry) -> Self::Output {
        if !self.observed.switch.is_on() {
            return self.up.apply(txn, lsn, entry);
        }
        let began = self.observed.clock.now();
        let output = self.up.apply(txn, lsn, entry);
        self.observed.apply.add(self.observed.clock.now().since(began));
        output
    }

    fn is_free(&self) -> bool {
        self.up.is_free()
    }

    fn post_apply(&mut self, lsn: Lsn, output: Self::Output) {
        self.up.post_apply(lsn, output);
    }
}

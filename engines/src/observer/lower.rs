//! The lower half: measures proposals and syncs of the engine below.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use naxos_client::LogError;
use naxos_proto::completion::Completion;
use naxos_proto::ids::Lsn;

use super::observed::Observed;
use crate::engine::{Engine, Proposal, ProposeError};

/// The lower half of the engine.
pub struct Observer {
    below: Arc<dyn Engine>,
    observed: Arc<Observed>,
}

impl Observer {
    /// The observer above the engine `below`.
    pub fn above(below: Arc<dyn Engine>, observed: &Arc<Observed>) -> Arc<Self> {
        Arc::new(Self { below, observed: Arc::clone(observed) })
    }
}

impl Engine for Observer {
    fn below(&self) -> Option<&dyn Engine> {
        Some(&*self.below)
    }

    fn propose(&self, proposal: Proposal) {
        if !self.observed.switch.is_on() {
            self.below.propose(proposal);
            return;
        }
        let Proposal { entry, commands, cost, settled } = proposal;
        let (observed, began) = (Arc::clone(&self.observed), self.observed.clock.now());
        observed.sets_out();
        let settled = Completion::on_thread(move |outcome: Result<Lsn, ProposeError>, load| {
            observed.settles();
            observed.propose.add(observed.clock.now().since(began));
            settled.complete_on(outcome, load);
        });
        self.below.propose(Proposal { entry, commands, cost, settled });
    }

    fn sync(&self) -> BoxFuture<'_, Result<Lsn, LogError>> {
        if !self.observed.switch.is_on() {
            return self.below.sync();
        }
        let began = self.observed.clock.now();
        let measured = self.below.sync().inspect(move |_| {
            self.observed.sync.add(self.observed.clock.now().since(began));
        });
        measured.boxed()
    }
}

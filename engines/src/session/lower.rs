//! The lower half: numbers proposals, and finds out what became of those whose outcome is unknown.

use std::sync::Arc;
use std::time::Duration;

use naxos_proto::completion::Completion;
use naxos_proto::seams::Clock;
use tokio_util::sync::CancellationToken;

use super::INFO;
use super::header::Header;
use super::window::{Outstanding, Shared};
use crate::engine::{ApplyCost, Engine, EngineSwitch, Proposal, ProposeError};
use crate::entry::Entry;

/// The number of attempts to find out the outcome of a proposal. After the last one the client is told that the outcome
/// is unknown.
pub(super) const SETTLE_ATTEMPTS: u32 = 5;
/// Time between two attempts.
const SETTLE_INTERVAL: Duration = Duration::from_millis(50);

/// The lower half of the engine.
pub struct Session {
    pub(super) below: Arc<dyn Engine>,
    pub(super) switch: EngineSwitch,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Session {
    /// Opens this process's session. After that, no entry of an earlier process of the same storage takes effect. Call
    /// it before anything is served.
    pub async fn open(&self) -> Result<(), ProposeError> {
        let header = Header { open: true, session: self.shared.session, sequence: 0, floor: 0 };
        let mut entry = Entry::default();
        entry.set_header(INFO.id, header.encode());
        let (settled, outcome) = Completion::channel();
        self.below.propose(Proposal { entry, commands: 1, cost: ApplyCost::Unknown, settled });
        outcome.await.map(drop)
    }

    fn send(&self, sequence: u64, again: bool) {
        let (entry, commands, cost) = {
            let window = self.shared.window.lock();
            let Some(found) = window.outstanding.get(&sequence) else { return };
            let floor = *window.outstanding.keys().next().expect("it has the one found");
            let mut entry = found.entry.clone();
            let header = Header { open: false, session: self.shared.session, sequence, floor };
            entry.set_header(INFO.id, header.encode());
            (entry, found.commands, found.cost)
        };
        let shared = Arc::clone(&self.shared);
        let settled = Completion::new(move |outcome| {
            // If the entry was applied, the upper half has settled it.
            if let Err(e) = outcome {
                shared.failed(sequence, e, again);
            }
        });
        self.below.propose(Proposal { entry, commands, cost, settled });
    }

    /// Finds out what became of proposals with unknown outcome, until `stop`.
    pub async fn tend(&self, stop: CancellationToken) {
        let work = async {
            loop {
                self.shared.unknown_added.notified().await;
                self.settle_unknown().await;
            }
        };
        stop.run_until_cancelled(work).await;
    }

    /// Returns when the list of unknown proposals is empty: each of them was found applied, was proposed again, or was
    /// given up. Attempts are counted for each proposal on its own, so that a new proposal is not given up because of
    /// the attempts for an older one.
    async fn settle_unknown(&self) {
        loop {
            let unknown = std::mem::take(&mut self.shared.window.lock().unknown);
            if unknown.is_empty() {
                return;
            }
            // If this succeeds, every append that reached the log is applied now, and its proposal is no longer
            // outstanding.
            let synced = self.below.sync().await;
            for sequence in unknown {
                let is_last = match self.shared.window.lock().count_attempt(sequence) {
                    None => continue,
                    Some(attempts) => attempts >= SETTLE_ATTEMPTS,
                };
                match &synced {
                    Ok(_) if is_last => self.shared.give_up(sequence, "it is not applied yet, after several attempts"),
                    Ok(_) => self.send(sequence, true),
                    Err(e) if is_last => self.shared.give_up(sequence, &e.to_string()),
                    Err(e) => {
                        tracing::warn!(error = %e, sequence, "a proposal's outcome is unknown; trying again");
                        self.shared.window.lock().unknown.push(sequence);
                    }
                }
            }
            self.clock.sleep(SETTLE_INTERVAL).await;
        }
    }
}

impl Engine for Session {
    fn below(&self) -> Option<&dyn Engine> {
        Some(&*self.below)
    }

    fn propose(&self, proposal: Proposal) {
        if !self.switch.is_on() {
            self.below.propose(proposal);
            return;
        }
        let Proposal { entry, commands, cost, settled } = proposal;
        let sequence = {
            let mut window = self.shared.window.lock();
            window.next += 1;
            let sequence = window.next;
            window.outstanding.insert(sequence, Outstanding { entry, commands, cost, settled, attempts: 0 });
            sequence
        };
        self.send(sequence, false);
    }
}

//! Session: proposals happen at most once (after Delos's SessionOrder, SOSP'21, section 4.E, without its order filter).
//!
//! A session is one life of a storage: (storage id, boot). It opens by a log entry and closes when the storage's next
//! life opens its own; entries of an unknown or closed session are dropped, so whatever a dead life left on the way
//! never takes effect after its successor began to serve. Within a session every proposal has a sequence number and is
//! proposed again under the same number until it is seen applied: that settles an append whose outcome is unknown
//! (safety rule 10). Headers carry the settled floor, which bounds the state by the window in flight.
//!
//! The switch decides only whether new proposals get a header. An entry that carries one is always checked and recorded:
//! one that was proposed while the engine was on, and sent again after it was turned off, would else be applied twice.
//!
//! Header, little-endian: version u8 = 1, kind u8 (0 proposal, 1 open), storage id u64, boot u64, sequence u64, floor
//! u64. Row: boot u64, floor u64, then the applied sequence numbers at or above the floor.

mod header;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use naxos_client::LogError;
use naxos_proto::completion::Completion;
use naxos_proto::ids::{Incarnation, Lsn, StorageId};
use naxos_proto::seams::Clock;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use header::Header;
use state::{SessionState, Verdict, load, row};

use crate::engine::{Applicator, Engine, EngineSwitch, Proposal, ProposeError};
use crate::entry::{Entry, engine_ids};
use crate::local_store::{StoreReader, Txn};

/// How often a proposal of unknown outcome is looked at again before its client is told that the outcome is unknown.
const SETTLE_ATTEMPTS: u32 = 5;
/// Time between two attempts.
const SETTLE_INTERVAL: Duration = Duration::from_millis(50);

struct Outstanding {
    entry: Entry,
    commands: u32,
    settled: Completion<Result<Lsn, ProposeError>>,
    /// How often it was tried to settle this proposal.
    attempts: u32,
}

#[derive(Default)]
struct Window {
    next: u64,
    outstanding: BTreeMap<u64, Outstanding>,
    /// Proposals whose append ended without an answer, to be settled.
    unknown: Vec<u64>,
}

/// Soft state of both halves.
struct Shared {
    session: Incarnation,
    window: Mutex<Window>,
    unknown_added: Notify,
}

/// The lower half.
pub struct Session {
    below: Arc<dyn Engine>,
    switch: EngineSwitch,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
}

/// Makes the two halves; the lower one comes once `below` exists.
pub struct SessionParts {
    shared: Arc<Shared>,
    switch: EngineSwitch,
}

impl SessionParts {
    /// For this life of this storage.
    pub fn new(session: Incarnation, switch: EngineSwitch) -> Self {
        let shared = Shared { session, window: Mutex::new(Window::default()), unknown_added: Notify::new() };
        Self { shared: Arc::new(shared), switch }
    }

    /// The upper half, under `up`, with the sessions that the store remembers.
    pub fn upper<A>(&self, up: A, reader: &StoreReader) -> SessionApply<A> {
        SessionApply { up, shared: Arc::clone(&self.shared), sessions: load(reader) }
    }

    /// The lower half.
    pub fn lower(self, below: Arc<dyn Engine>, clock: Arc<dyn Clock>) -> Arc<Session> {
        Arc::new(Session { below, switch: self.switch, shared: self.shared, clock })
    }
}

impl Session {
    /// Opens this life's session: from here on, no entry of an earlier life takes effect. Before anything is served.
    pub async fn open(&self) -> Result<(), ProposeError> {
        let header = Header { open: true, session: self.shared.session, sequence: 0, floor: 0 };
        let mut entry = Entry::default();
        entry.set_header(engine_ids::SESSION, header.encode());
        let (settled, outcome) = Completion::channel();
        self.below.propose(Proposal { entry, commands: 1, settled });
        outcome.await.map(drop)
    }

    fn send(&self, sequence: u64, again: bool) {
        let (entry, commands) = {
            let window = self.shared.window.lock();
            let Some(found) = window.outstanding.get(&sequence) else { return };
            let floor = *window.outstanding.keys().next().expect("it has the one found");
            let mut entry = found.entry.clone();
            let header = Header { open: false, session: self.shared.session, sequence, floor };
            entry.set_header(engine_ids::SESSION, header.encode());
            (entry, found.commands)
        };
        let shared = Arc::clone(&self.shared);
        let settled = Completion::new(move |outcome| {
            // An entry that was applied is settled by the upper half.
            if let Err(e) = outcome {
                shared.failed(sequence, e, again);
            }
        });
        self.below.propose(Proposal { entry, commands, settled });
    }

    /// Settles proposals of unknown outcome, until `stop`.
    pub async fn tend(&self, stop: CancellationToken) {
        let work = async {
            loop {
                self.shared.unknown_added.notified().await;
                self.settle_unknown().await;
            }
        };
        stop.run_until_cancelled(work).await;
    }

    /// Returns once no proposal's outcome is unknown. Each proposal has attempts of its own: one that has just become
    /// unknown is not given up because an older one used the attempts up.
    async fn settle_unknown(&self) {
        loop {
            let unknown = std::mem::take(&mut self.shared.window.lock().unknown);
            if unknown.is_empty() {
                return;
            }
            // After this, an append that made it into the log below the tail is applied and no longer outstanding.
            let synced = self.below.sync().await;
            for sequence in unknown {
                let is_last = match self.shared.window.lock().count_attempt(sequence) {
                    None => continue,
                    Some(attempts) => attempts >= SETTLE_ATTEMPTS,
                };
                match &synced {
                    Ok(_) if is_last => self.shared.give_up(sequence, "the log does not take it"),
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

impl Window {
    /// Counts one more attempt to settle a proposal. `None`: it is settled already.
    fn count_attempt(&mut self, sequence: u64) -> Option<u32> {
        let found = self.outstanding.get_mut(&sequence)?;
        found.attempts += 1;
        Some(found.attempts)
    }
}

impl Shared {
    fn failed(&self, sequence: u64, error: ProposeError, again: bool) {
        match error {
            // A first attempt that was refused is certainly not in the log.
            ProposeError::Refused(_) | ProposeError::Stopped if !again => {
                let found = self.window.lock().outstanding.remove(&sequence);
                if let Some(found) = found {
                    found.settled.complete(Err(error));
                }
            }
            _ => {
                self.window.lock().unknown.push(sequence);
                self.unknown_added.notify_one();
            }
        }
    }

    fn give_up(&self, sequence: u64, why: &str) {
        let found = self.window.lock().outstanding.remove(&sequence);
        if let Some(found) = found {
            found.settled.complete(Err(ProposeError::Unknown(why.to_owned())));
        }
    }
}

impl Engine for Session {
    fn propose(&self, proposal: Proposal) {
        if !self.switch.is_on() {
            self.below.propose(proposal);
            return;
        }
        let Proposal { entry, commands, settled } = proposal;
        let sequence = {
            let mut window = self.shared.window.lock();
            window.next += 1;
            let sequence = window.next;
            window.outstanding.insert(sequence, Outstanding { entry, commands, settled, attempts: 0 });
            sequence
        };
        self.send(sequence, false);
    }

    fn sync(&self) -> BoxFuture<'_, Result<Lsn, LogError>> {
        self.below.sync()
    }

    fn sync_now(&self) -> Option<Lsn> {
        self.below.sync_now()
    }

    fn set_trim_point(&self, lsn: Lsn) {
        self.below.set_trim_point(lsn);
    }
}

/// The upper half.
pub struct SessionApply<A> {
    up: A,
    shared: Arc<Shared>,
    sessions: BTreeMap<StorageId, SessionState>,
}

/// What the upper half made of an entry.
pub struct SessionOutput<O> {
    own: Option<u64>,
    opened: bool,
    verdict: Verdict,
    up: Option<O>,
}

impl<A: Applicator> Applicator for SessionApply<A> {
    type Output = SessionOutput<A::Output>;

    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, entry: &Entry) -> Self::Output {
        let Some(header) = entry.header(engine_ids::SESSION) else {
            let up = Some(self.up.apply(txn, lsn, entry));
            return SessionOutput { own: None, opened: false, verdict: Verdict::Apply, up };
        };
        let header =
            Header::decode(header.clone()).unwrap_or_else(|e| panic!("the entry at {lsn} cannot be applied: {e}"));
        let own = (header.session == self.shared.session).then_some(header.sequence);
        let storage = header.session.storage;
        if header.open {
            let state = self.sessions.entry(storage).or_default();
            if header.session.boot > state.boot {
                *state = SessionState::opened(header.session.boot);
                txn.put(row(storage), state.encode());
            }
            return SessionOutput { own, opened: true, verdict: Verdict::Apply, up: None };
        }
        let verdict = self.sessions.get_mut(&storage).map_or(Verdict::Closed, |s| s.admit(&header));
        if verdict == Verdict::Apply {
            txn.put(row(storage), self.sessions[&storage].encode());
        }
        let up = (verdict == Verdict::Apply).then(|| self.up.apply(txn, lsn, entry));
        SessionOutput { own, opened: false, verdict, up }
    }

    fn post_apply(&mut self, lsn: Lsn, output: Self::Output) {
        let proposed = match output.own {
            Some(sequence) if output.verdict != Verdict::Duplicate && !output.opened => {
                self.shared.window.lock().outstanding.remove(&sequence)
            }
            _ => None,
        };
        if let Some(up) = output.up {
            self.up.post_apply(lsn, up);
        }
        if let Some(proposed) = proposed {
            // Closed: a later life of this storage has opened its session, and this one is over.
            let closed = output.verdict == Verdict::Closed;
            proposed.settled.complete(if closed { Err(ProposeError::Stopped) } else { Ok(lsn) });
        }
    }
}

/// Reads the sessions' rows, and panics when one is damaged.
pub(crate) fn read_rows(reader: &StoreReader) {
    load(reader);
}

/// For upper halves that send on from `post_apply`: the engine below them, once the stack is built.
pub type Below = Arc<OnceLock<Arc<dyn Engine>>>;

//! Session: proposals happen at most once (after Delos's SessionOrder, SOSP'21, section 4.E, without its order filter).
//!
//! A session is one life of a storage: (storage id, boot). It opens by a log entry and closes when the storage's next
//! life opens its own; entries of an unknown or closed session are dropped, so whatever a dead life left on the way
//! never takes effect after its successor began to serve. Within a session every proposal has a sequence number and is
//! proposed again under the same number until it is seen applied: that settles an append whose outcome is unknown
//! (safety rule 10). Headers carry the settled floor, which bounds the state by the window in flight.
//!
//! Header, little-endian: version u8 = 1, kind u8 (0 proposal, 1 open), storage id u64, boot u64, sequence u64, floor
//! u64. Row: boot u64, floor u64, then the applied sequence numbers at or above the floor.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::future::BoxFuture;
use naxos_client::LogError;
use naxos_proto::codec::{DecodeError, Reader};
use naxos_proto::completion::Completion;
use naxos_proto::ids::{Boot, Incarnation, Lsn, StorageId, StoreId};
use naxos_proto::seams::Clock;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::engine::{Applicator, Engine, EngineSwitch, Proposal, ProposeError};
use crate::entry::{Entry, engine_ids};
use crate::local_store::{RowKey, StoreReader, Txn, tables};

const HEADER_FORMAT: u8 = 1;
/// Attempts to settle a proposal of unknown outcome before its client is told so.
const SETTLE_ATTEMPTS: u32 = 5;
/// Between two attempts.
const SETTLE_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    open: bool,
    session: Incarnation,
    sequence: u64,
    floor: u64,
}

impl Header {
    fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(34);
        out.put_u8(HEADER_FORMAT);
        out.put_u8(self.open.into());
        for n in [self.session.storage.0, self.session.boot.0, self.sequence, self.floor] {
            out.put_u64_le(n);
        }
        out.freeze()
    }

    fn decode(bytes: Bytes) -> Result<Header, DecodeError> {
        let mut r = Reader::new(bytes, "session header");
        r.version(HEADER_FORMAT)?;
        let open = r.u8()? == 1;
        let session = Incarnation { storage: StorageId(r.u64()?), boot: Boot(r.u64()?) };
        let header = Header { open, session, sequence: r.u64()?, floor: r.u64()? };
        r.end()?;
        Ok(header)
    }
}

struct Outstanding {
    entry: Entry,
    commands: u32,
    failed: Completion<ProposeError>,
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
    opened: Notify,
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
        let shared = Shared {
            session,
            window: Mutex::new(Window::default()),
            unknown_added: Notify::new(),
            opened: Notify::new(),
        };
        Self { shared: Arc::new(shared), switch }
    }

    /// The upper half, under `up`, with the sessions that the store remembers.
    pub fn upper<A>(&self, up: A, reader: &StoreReader) -> SessionApply<A> {
        SessionApply { up, switch: self.switch.clone(), shared: Arc::clone(&self.shared), sessions: load(reader) }
    }

    /// The lower half.
    pub fn lower(self, below: Arc<dyn Engine>, clock: Arc<dyn Clock>) -> Arc<Session> {
        Arc::new(Session { below, switch: self.switch, shared: self.shared, clock })
    }
}

impl Session {
    /// Opens this life's session: from here on, no entry of an earlier life takes effect. Before anything is served.
    pub async fn open(&self) -> Result<(), ProposeError> {
        let opened = self.shared.opened.notified();
        let header = Header { open: true, session: self.shared.session, sequence: 0, floor: 0 };
        let mut entry = Entry::default();
        entry.set_header(engine_ids::SESSION, header.encode());
        let (failed, failure) = Completion::channel();
        self.below.propose(Proposal { entry, commands: 1, failed });
        tokio::select! {
            biased;
            () = opened => Ok(()),
            failure = failure => match failure {
                Some(e) => Err(e),
                // Dropped once applied: the notification is on its way.
                None => Ok(()),
            },
        }
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
        let failed = Completion::new(move |e| shared.failed(sequence, e, again));
        self.below.propose(Proposal { entry, commands, failed });
    }

    /// Settles proposals of unknown outcome, until `stop`.
    pub async fn tend(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.shared.unknown_added.notified() => {}
            }
            for attempt in 1..=SETTLE_ATTEMPTS {
                let unknown = std::mem::take(&mut self.shared.window.lock().unknown);
                if unknown.is_empty() {
                    break;
                }
                // After this, an append that made it into the log below the tail is applied and no longer outstanding.
                let synced = self.below.sync().await;
                for sequence in unknown {
                    match &synced {
                        Ok(_) if attempt < SETTLE_ATTEMPTS => self.send(sequence, true),
                        Ok(_) => self.shared.give_up(sequence, "the log does not take it"),
                        Err(e) if attempt < SETTLE_ATTEMPTS => {
                            tracing::warn!(error = %e, sequence, "a proposal's outcome is unknown; trying again");
                            self.shared.window.lock().unknown.push(sequence);
                        }
                        Err(e) => self.shared.give_up(sequence, &e.to_string()),
                    }
                }
                self.clock.sleep(SETTLE_INTERVAL).await;
            }
        }
    }
}

impl Shared {
    fn failed(&self, sequence: u64, error: ProposeError, again: bool) {
        match error {
            // A first attempt that was refused is certainly not in the log.
            ProposeError::Refused(_) | ProposeError::Stopped if !again => {
                let found = self.window.lock().outstanding.remove(&sequence);
                if let Some(found) = found {
                    found.failed.complete(error);
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
            found.failed.complete(ProposeError::Unknown(why.to_owned()));
        }
    }
}

impl Engine for Session {
    fn propose(&self, proposal: Proposal) {
        if !self.switch.is_on() {
            self.below.propose(proposal);
            return;
        }
        let Proposal { entry, commands, failed } = proposal;
        let sequence = {
            let mut window = self.shared.window.lock();
            window.next += 1;
            let sequence = window.next;
            window.outstanding.insert(sequence, Outstanding { entry, commands, failed });
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

/// What the store knows of one storage's session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct SessionState {
    boot: Boot,
    floor: u64,
    applied: BTreeSet<u64>,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Apply,
    Duplicate,
    Closed,
}

impl SessionState {
    fn admit(&mut self, header: &Header) -> Verdict {
        if self.boot != header.session.boot {
            return Verdict::Closed;
        }
        if header.sequence < self.floor || self.applied.contains(&header.sequence) {
            return Verdict::Duplicate;
        }
        self.applied.insert(header.sequence);
        if header.floor > self.floor {
            self.floor = header.floor;
            self.applied = self.applied.split_off(&header.floor);
        }
        Verdict::Apply
    }

    fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(16 + 8 * self.applied.len());
        out.put_u64_le(self.boot.0);
        out.put_u64_le(self.floor);
        self.applied.iter().for_each(|s| out.put_u64_le(*s));
        out.freeze()
    }

    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes, "session row");
        let mut state = Self { boot: Boot(r.u64()?), floor: r.u64()?, applied: BTreeSet::new() };
        while r.left() > 0 {
            state.applied.insert(r.u64()?);
        }
        Ok(state)
    }
}

fn row(storage: StorageId) -> RowKey {
    RowKey::new(StoreId(0), tables::SESSIONS, &storage.0.to_be_bytes())
}

fn load(reader: &StoreReader) -> BTreeMap<StorageId, SessionState> {
    let mut sessions = BTreeMap::new();
    let end = RowKey::new(StoreId(0), crate::local_store::TableId(tables::SESSIONS.0 + 1), &[]);
    reader.stream(&row(StorageId(0)), &end, |key, value| {
        let storage = <[u8; 8]>::try_from(&key.key[..]).expect("session rows are named by storage ids");
        let state = SessionState::decode(Bytes::copy_from_slice(value))
            .unwrap_or_else(|e| panic!("a session row is damaged: {e}"));
        sessions.insert(StorageId(u64::from_be_bytes(storage)), state);
    });
    sessions
}

/// The upper half.
pub struct SessionApply<A> {
    up: A,
    switch: EngineSwitch,
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
                *state = SessionState { boot: header.session.boot, ..SessionState::default() };
                txn.put(row(storage), state.encode());
            }
            return SessionOutput { own, opened: true, verdict: Verdict::Apply, up: None };
        }
        let verdict = if self.switch.is_on() {
            let verdict = self.sessions.get_mut(&storage).map_or(Verdict::Closed, |s| s.admit(&header));
            if verdict == Verdict::Apply {
                txn.put(row(storage), self.sessions[&storage].encode());
            }
            verdict
        } else {
            Verdict::Apply
        };
        let up = (verdict == Verdict::Apply).then(|| self.up.apply(txn, lsn, entry));
        SessionOutput { own, opened: false, verdict, up }
    }

    fn post_apply(&mut self, lsn: Lsn, output: Self::Output) {
        if output.opened {
            if output.own.is_some() {
                self.shared.opened.notify_one();
            }
            return;
        }
        if let Some(sequence) = output.own
            && output.verdict != Verdict::Duplicate
        {
            let settled = self.shared.window.lock().outstanding.remove(&sequence);
            if let (Some(settled), Verdict::Closed) = (settled, output.verdict) {
                // A later life of this storage has opened its session: this one is over.
                settled.failed.complete(ProposeError::Stopped);
            }
        }
        if let Some(up) = output.up {
            self.up.post_apply(lsn, up);
        }
    }
}

/// For upper halves that send on from `post_apply`: the engine below them, once the stack is built.
pub type Below = Arc<OnceLock<Arc<dyn Engine>>>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(boot: u64, sequence: u64, floor: u64) -> Header {
        let session = Incarnation { storage: StorageId(1), boot: Boot(boot) };
        Header { open: false, session, sequence, floor }
    }

    #[test]
    fn a_number_is_applied_once_and_an_old_life_never() {
        let mut state = SessionState { boot: Boot(2), ..Default::default() };
        assert_eq!(state.admit(&header(2, 1, 1)), Verdict::Apply);
        assert_eq!(state.admit(&header(2, 1, 1)), Verdict::Duplicate);
        assert_eq!(state.admit(&header(1, 2, 1)), Verdict::Closed);
        assert_eq!(state.admit(&header(2, 3, 2)), Verdict::Apply);
        assert_eq!(state.admit(&header(2, 2, 2)), Verdict::Apply, "order is not asked for");
        assert_eq!(state.admit(&header(2, 1, 1)), Verdict::Duplicate, "below the floor");
    }

    proptest! {
        #[test]
        fn whatever_is_repeated_is_applied_at_most_once(order in prop::collection::vec(1u64..20, 0..80)) {
            let mut state = SessionState { boot: Boot(1), ..Default::default() };
            let mut applied = BTreeSet::new();
            let mut floor = 1;
            for sequence in order {
                // The proposer's floor: everything below was seen applied.
                while applied.contains(&floor) {
                    floor += 1;
                }
                let verdict = state.admit(&header(1, sequence, floor));
                prop_assert_eq!(verdict == Verdict::Apply, applied.insert(sequence));
                prop_assert_eq!(SessionState::decode(state.encode()).unwrap(), state.clone());
                prop_assert!(state.applied.len() <= 20);
            }
        }
    }
}

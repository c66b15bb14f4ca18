//! The upper half. It lets each entry of an open session through once. It drops all other entries that have a session
//! header. Entries without this header always go through.

use std::collections::BTreeMap;
use std::sync::Arc;

use naxos_proto::ids::{Lsn, StorageId};

use super::INFO;
use super::header::Header;
use super::state::{SessionState, Verdict, row};
use super::window::Shared;
use crate::engine::{Applicator, ProposeError};
use crate::entry::Entry;
use crate::local_store::Txn;

/// The upper half of the engine.
pub struct SessionApply<A> {
    pub(super) up: A,
    pub(super) shared: Arc<Shared>,
    pub(super) sessions: BTreeMap<StorageId, SessionState>,
}

/// The result of applying one entry.
pub struct SessionOutput<O> {
    own: Option<u64>,
    opened: bool,
    verdict: Verdict,
    up: Option<O>,
}

impl<A: Applicator> Applicator for SessionApply<A> {
    type Output = SessionOutput<A::Output>;

    fn apply(&mut self, txn: &mut Txn<'_>, lsn: Lsn, entry: &Entry) -> Self::Output {
        let Some(header) = entry.header(INFO.id) else {
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

    fn is_free(&self) -> bool {
        self.up.is_free()
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
            // If this process's session is closed, a later process of the same storage has opened its own. So this
            // process has to stop.
            let closed = output.verdict == Verdict::Closed;
            proposed.settled.complete(if closed { Err(ProposeError::Stopped) } else { Ok(lsn) });
        }
    }
}

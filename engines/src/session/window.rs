//! The proposals of this process that are not settled yet. Both halves share this soft state.

use std::collections::BTreeMap;

use naxos_proto::completion::Completion;
use naxos_proto::ids::{Incarnation, Lsn};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::engine::{ApplyCost, ProposeError};
use crate::entry::Entry;

/// A proposal that is not settled.
pub(super) struct Outstanding {
    pub(super) entry: Entry,
    pub(super) commands: u32,
    pub(super) cost: ApplyCost,
    pub(super) settled: Completion<Result<Lsn, ProposeError>>,
    /// How often the engine has tried to settle this proposal.
    pub(super) attempts: u32,
}

/// All proposals that are not settled, by sequence number.
#[derive(Default)]
pub(super) struct Window {
    pub(super) next: u64,
    pub(super) outstanding: BTreeMap<u64, Outstanding>,
    /// Sequence numbers of proposals whose outcome is unknown, and for which no append is in flight.
    pub(super) unknown: Vec<u64>,
}

/// The state that both halves share.
pub(super) struct Shared {
    pub(super) session: Incarnation,
    pub(super) window: Mutex<Window>,
    pub(super) unknown_added: Notify,
}

impl Window {
    /// Counts one more attempt to settle a proposal. `None` if it is settled already.
    pub(super) fn count_attempt(&mut self, sequence: u64) -> Option<u32> {
        let found = self.outstanding.get_mut(&sequence)?;
        found.attempts += 1;
        Some(found.attempts)
    }
}

impl Shared {
    pub(super) fn failed(&self, sequence: u64, error: ProposeError, again: bool) {
        match error {
            // If the first attempt was refused, the entry is certainly not in the log.
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

    pub(super) fn give_up(&self, sequence: u64, why: &str) {
        let found = self.window.lock().outstanding.remove(&sequence);
        if let Some(found) = found {
            found.settled.complete(Err(ProposeError::Unknown(why.to_owned())));
        }
    }
}

//! The tail of the log: the tail of its last segment, if that is open.

use naxos_proto::ids::{ChainVersion, Lsn};
use naxos_proto::tail::Tail;

use super::{VirtualLog, unavailable};
use crate::shared_log::LogError;

/// A tail check that finds the loglet sealed waits for a successor. The longest wait is `takeover_after` times this
/// number.
const TAKEOVERS_WAITED_FOR: u32 = 4;

impl VirtualLog {
    pub(super) async fn find_tail(&self) -> Result<Lsn, LogError> {
        loop {
            let active = self.active.load_full();
            match active.loglet.check_tail().await.map_err(unavailable)? {
                Tail::Open(offset) => return Ok(active.start().plus(offset.0)),
                // The tail of a sealed loglet is not the tail of the log: only the chain says where the segment ends.
                Tail::Sealed(_) => {
                    let patience = self.config.takeover_after * TAKEOVERS_WAITED_FOR;
                    tokio::select! {
                        biased;
                        () = self.successor_of(active.version) => {}
                        () = self.clock.sleep(patience) => {
                            let why = "the loglet is sealed and has no successor yet";
                            return Err(LogError::Unavailable(why.to_owned()));
                        }
                    }
                }
            }
        }
    }

    pub(super) fn find_tail_now(&self) -> Option<Lsn> {
        let active = self.active.load();
        match active.loglet.check_tail_now()? {
            Tail::Open(offset) => Some(active.start().plus(offset.0)),
            Tail::Sealed(_) => None,
        }
    }

    /// Resolves once this process knows another chain than that of version `seen`. The caller has found the last loglet
    /// of that chain sealed, so [`Self::tend`] is told to look for a successor.
    pub(super) async fn successor_of(&self, seen: ChainVersion) {
        self.seal_met.notify_one();
        self.other_than(seen).await;
    }

    /// Waits until this process knows of another version of the chain than `seen`.
    pub(super) async fn other_than(&self, seen: ChainVersion) {
        let mut version = self.version.subscribe();
        // The sender lives as long as this log, so this cannot fail.
        let _ = version.wait_for(|now| *now != seen).await;
    }
}

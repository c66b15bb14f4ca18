//! The lower half: adds the header to proposals, and proposes entries of its own that change the view.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use naxos_proto::completion::Completion;
use naxos_proto::ids::{Lsn, StorageId};
use naxos_proto::seams::Clock;
use tokio_util::sync::CancellationToken;

use super::INFO;
use super::ejection::Ejection;
use super::header::Told;
use super::view::{View, Viewed};
use crate::engine::{ApplyCost, Engine, EngineSwitch, Proposal, ProposeError};
use crate::entry::Entry;
use crate::local_store::StoreReader;

/// The time between two looks at the view.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A server that proposes nothing tells its cursor when it has moved by this many positions.
const UNTOLD_POSITIONS_MAX: u64 = 256;
/// A server that proposes nothing tells its cursor when it has applied entries of this many bytes.
const UNTOLD_BYTES_MAX: usize = 1 << 20;

/// How much of the log a server that is away may hold back.
#[derive(Clone)]
pub struct HeldLog {
    /// The bytes that the log takes on this server's disk.
    pub bytes: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// If the log takes more bytes, a server that is away is left out of the view.
    pub bytes_max: u64,
    /// How many servers must have made the state durable before the entries that lead to it are trimmed: a majority of the
    /// members, because the loss of a minority's disks must lose nothing. The number changes with the members.
    pub servers_min: Arc<AtomicUsize>,
    /// The position below which the log is in sealed segments; [`Lsn::ZERO`] if it has none. When a disk is lost, its
    /// cells of sealed segments have to be copied to another unit. So these segments should be trimmed soon, even if
    /// nothing is written.
    pub sealed_below: Arc<dyn Fn() -> Lsn + Send + Sync>,
}

/// The lower half of the engine.
pub struct ViewTracking {
    pub(super) below: Arc<dyn Engine>,
    pub(super) storage: StorageId,
    pub(super) switch: EngineSwitch,
    pub(super) reader: StoreReader,
    pub(super) view: Arc<View>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) held: HeldLog,
}

impl ViewTracking {
    /// Whether the engine is on. While it is off, the view does not change, and no more of the log is trimmed.
    pub fn is_on(&self) -> bool {
        self.switch.is_on()
    }

    /// Keeps the log from `at` on for `storage`, which joins or comes back and will go on at `at` or above it. Resolves
    /// when the entry that says so is applied here. If the server is in the view at `at` or above it, nothing changes.
    pub async fn hold(&self, storage: StorageId, at: Lsn) -> Result<(), ProposeError> {
        if self.view.cursor(storage).is_some_and(|known| known >= at) {
            return Ok(());
        }
        self.tell(Told::Hold(storage, at)).await
    }

    /// The position of each server, and whether it is a hold.
    pub fn positions(&self) -> Vec<(StorageId, Lsn, bool)> {
        let viewed = self.view.now();
        viewed.cursors.iter().map(|(storage, at)| (*storage, *at, viewed.holds.contains(storage))).collect()
    }

    /// How many times a server was left out of the view since the start.
    pub fn ejections(&self) -> u64 {
        self.view.now().ejections
    }

    /// The position from which the log is kept for `storage`. `None` if it is not in the view.
    pub fn cursor_of(&self, storage: StorageId) -> Option<Lsn> {
        self.view.cursor(storage)
    }

    /// Whether `storage` is in the view at `at`.
    pub fn is_at(&self, storage: StorageId, at: Lsn) -> bool {
        self.view.cursor(storage) == Some(at)
    }

    /// Takes `storage` out of the view, if it is still at `at`.
    pub async fn eject(&self, storage: StorageId, at: Lsn) -> Result<(), ProposeError> {
        if self.view.cursor(storage) != Some(at) {
            return Ok(());
        }
        self.tell(Told::Eject(storage, at)).await
    }

    /// Takes `storage`, which will never come back, out of the view.
    pub async fn leave(&self, storage: StorageId) -> Result<(), ProposeError> {
        match self.view.cursor(storage) {
            Some(at) => self.eject(storage, at).await,
            None => Ok(()),
        }
    }

    /// Proposes an entry that has nothing but this header. It is not numbered by Session: to apply it twice does no
    /// harm.
    async fn tell(&self, told: Told) -> Result<(), ProposeError> {
        let mut entry = Entry::default();
        entry.set_header(INFO.id, told.encode());
        let (settled, outcome) = Completion::channel();
        self.below.propose(Proposal { entry, commands: 1, cost: ApplyCost::Unknown, settled });
        outcome.await.map(drop)
    }

    /// Until `stop`: tells this server's cursor while others propose and this server does not, and ejects servers that
    /// are away. A server that is alone in the view does neither, so it writes nothing while it is idle.
    pub async fn tend(&self, stop: CancellationToken) {
        let mut ejection = Ejection::new(self.held.bytes_max);
        let work = async {
            loop {
                self.clock.sleep(LOOK_EVERY).await;
                let viewed = self.view.now();
                if !self.switch.is_on() || viewed.cursors.len() < 2 {
                    continue;
                }
                let own = (self.storage, self.reader.persisted());
                // What programs need is kept anyway, so no server has to hurry for it.
                let log_bytes = viewed.bytes_for_servers((self.held.bytes)(), own.1);
                let is_large = log_bytes > self.held.bytes_max;
                let outcome = match ejection.due(&viewed.cursors, &viewed.holds, own, log_bytes) {
                    Some((storage, at)) => {
                        let storage_id = format!("{:016x}", storage.0);
                        tracing::warn!(
                            storage_id,
                            at = at.0,
                            "a member that is away holds back too much of the log: \
                             it is left out, and needs a snapshot when it comes back"
                        );
                        self.tell(Told::Eject(storage, at)).await
                    }
                    None if is_untold(&viewed, own, is_large, (self.held.sealed_below)()) => {
                        self.tell(Told::Persisted(own.0, own.1)).await
                    }
                    None => Ok(()),
                };
                if let Err(error) = outcome {
                    tracing::debug!(%error, "the view was not changed");
                }
            }
        };
        stop.run_until_cancelled(work).await;
    }
}

/// Whether the others have to be told how far this server is. Each entry that tells a cursor moves all cursors by one
/// position. The bounds are far above one, so that servers do not answer one such entry with another for ever. There
/// are two exceptions. While the log is too large, servers tell any progress, because a server that tells nothing then
/// is ejected. And each server tells once that it does not need the segments that end at `sealed_below` any more.
fn is_untold(viewed: &Viewed, (own, persisted): (StorageId, Lsn), log_is_large: bool, sealed_below: Lsn) -> bool {
    let told = viewed.cursors.get(&own).copied().unwrap_or(Lsn::ZERO);
    let positions = persisted.0.saturating_sub(told.0);
    let is_past_a_seal = told < sealed_below && persisted >= sealed_below;
    is_past_a_seal
        || positions >= UNTOLD_POSITIONS_MAX
        || (positions > 0 && (log_is_large || viewed.untold_bytes >= UNTOLD_BYTES_MAX))
}

impl Engine for ViewTracking {
    fn below(&self) -> Option<&dyn Engine> {
        Some(&*self.below)
    }

    fn propose(&self, mut proposal: Proposal) {
        if self.switch.is_on() {
            proposal.entry.set_header(INFO.id, Told::Persisted(self.storage, self.reader.persisted()).encode());
        }
        self.below.propose(proposal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_told_again_only_after_much_has_happened() {
        let own = StorageId(1);
        let viewed =
            |told: u64, untold_bytes| Viewed { cursors: [(own, Lsn(told))].into(), untold_bytes, ..Viewed::default() };
        let is_untold = |viewed: &Viewed, persisted, log_is_large| {
            is_untold(viewed, (own, Lsn(persisted)), log_is_large, Lsn::ZERO)
        };
        assert!(!is_untold(&viewed(100, 0), 355, false));
        assert!(is_untold(&viewed(100, 0), 356, false));
        assert!(is_untold(&viewed(100, 0), 101, true));
        assert!(is_untold(&viewed(100, UNTOLD_BYTES_MAX), 101, false));
        assert!(!is_untold(&viewed(100, UNTOLD_BYTES_MAX), 100, true), "there is nothing new to tell");
        assert!(is_untold(&Viewed::default(), 256, false), "it is not in the view");
    }

    #[test]
    fn a_server_tells_once_that_it_needs_no_sealed_segment_any_more() {
        let own = StorageId(1);
        let viewed = |told: u64| Viewed { cursors: [(own, Lsn(told))].into(), ..Viewed::default() };
        let is_untold = |told, persisted| is_untold(&viewed(told), (own, Lsn(persisted)), false, Lsn(102));
        assert!(!is_untold(100, 101), "it still needs the last entry");
        assert!(is_untold(100, 102));
        assert!(!is_untold(102, 110), "it was told");
    }
}

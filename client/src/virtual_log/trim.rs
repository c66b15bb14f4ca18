//! Trimming the beginning of the log: does what it can, and keeps a list of what is left to do.

use std::collections::BTreeMap;

use naxos_proto::chain::{LogletKind, LogletParams};
use naxos_proto::ids::{LogId, LogletId, Lsn};

use super::{VirtualLog, unavailable};
use crate::reconfigure::{Installed, ReconfigureError, VersionedChain};
use crate::shared_log::LogError;

/// At most this many loglets may wait to be discarded. Beyond that the oldest are removed from the list. A later trim
/// frees them too, if it raises the floor on their units.
const GONE_MAX: usize = 1_024;

impl VirtualLog {
    /// Loglets whose segments have left the chain, but which some unit may still hold. The next trim tries to discard
    /// them again.
    pub fn left_to_discard(&self) -> Vec<LogletId> {
        self.gone.lock().iter().map(|params| params.id).collect()
    }

    /// Forgets everything below `up_to`, as far as it can. After an error it still tries the other steps, and then
    /// returns the first error.
    ///
    /// The cells are trimmed first. That makes room on a full disk, and the MetaStore may need room to take a new
    /// chain.
    pub(super) async fn trim_up_to(&self, up_to: Lsn) -> Result<(), LogError> {
        let cells = self.trim_cells(up_to).await;
        let chain = {
            // Only this step excludes other changes of the chain. A unit that never answers again must not hold them
            // up.
            let _one = self.reconfiguring.lock().await;
            self.trim_chain(up_to).await.map_err(|e| LogError::Unavailable(e.to_string()))
        };
        let discarded = self.discard_gone().await;
        cells.and(chain).and(discarded)
    }

    async fn trim_cells(&self, up_to: Lsn) -> Result<(), LogError> {
        let active = self.active.load_full();
        let mut outcome = Ok(());
        for segment in active.chain.segments.iter().filter(|s| s.start < up_to) {
            let up_to = segment.end.map_or(up_to, |end| end.min(up_to));
            let trimmed = match self.loglet_of(&active, segment) {
                Ok(loglet) => loglet.trim(segment.offset(up_to)).await.map_err(unavailable),
                Err(e) => Err(e),
            };
            outcome = outcome.and(trimmed);
        }
        outcome
    }

    /// Drops the segments that lie wholly below `up_to` from the chain and adds their loglets to the list. If another
    /// process changed the chain meanwhile, trims that chain.
    async fn trim_chain(&self, up_to: Lsn) -> Result<(), ReconfigureError> {
        let mut base = {
            let active = self.active.load();
            VersionedChain { version: active.version, chain: active.chain.clone() }
        };
        loop {
            let trimmed = base.chain.trimmed(up_to);
            let gone = base.chain.segments.len() - trimmed.segments.len();
            if gone == 0 {
                return self.go_over_to(base).await;
            }
            match self.register.install(base.version, trimmed).await? {
                Installed::Ours(now) => {
                    self.note_gone(base.chain.segments[..gone].iter().map(|s| s.params.clone()));
                    return self.go_over_to(now).await;
                }
                Installed::Theirs(now) => base = now,
            }
        }
    }

    fn note_gone(&self, loglets: impl Iterator<Item = LogletParams>) {
        let mut gone = self.gone.lock();
        for params in loglets {
            self.sealed_loglets.lock().remove(&params.id);
            gone.push(params);
        }
        let surplus = gone.len().saturating_sub(GONE_MAX);
        gone.drain(..surplus);
    }

    /// Frees the loglets that have left the chain. Those that could not be freed stay on the list.
    async fn discard_gone(&self) -> Result<(), LogError> {
        let gone = std::mem::take(&mut *self.gone.lock());
        if gone.is_empty() {
            return Ok(());
        }
        let mut outcome = Ok(());
        let mut left = Vec::new();
        for params in &gone {
            let discarded = match self.providers.open(params) {
                Ok(loglet) => loglet.discard().await,
                Err(e) => Err(e),
            };
            if let Err(e) = discarded {
                left.push(params.clone());
                outcome = outcome.and(Err(unavailable(e)));
            }
        }
        self.gone.lock().extend(left);
        outcome.and(self.raise_floors(gone).await)
    }

    /// Raises the floors on the units of the segments that have left the chain. A floor replaces the tombstones of the
    /// loglets below it, which stay sealed for ever (safety rule 5). It also frees what the units still hold of loglets
    /// that no chain names any more: orphans of lost races, and loglets whose discarding was interrupted.
    ///
    /// The floor is never above the lowest ordinal in the chain, because a loglet below the floor is dropped. The loser
    /// of a race has the same ordinal as the winner, so it stays until the winner has left the chain.
    async fn raise_floors(&self, gone: Vec<LogletParams>) -> Result<(), LogError> {
        let active = self.active.load_full();
        let mut groups: BTreeMap<(LogId, LogletKind), Vec<LogletParams>> = BTreeMap::new();
        for params in gone {
            groups.entry((params.id.log, params.kind)).or_default().push(params);
        }
        let mut outcome = Ok(());
        for ((log, kind), gone) in groups {
            let named = active.chain.segments.iter().map(|s| s.params.id).filter(|id| id.log == log);
            let Some(lowest) = named.map(|id| id.ordinal).min() else { continue };
            // If this process does not have the kind, it has not discarded these loglets either.
            let Ok(provider) = self.providers.of(kind) else { continue };
            outcome = outcome.and(provider.raise_floor(&gone, lowest).await.map_err(unavailable));
        }
        outcome
    }
}

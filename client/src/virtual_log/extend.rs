//! A reconfiguration: ends the active segment and begins another one while the log is in use (Delos, OSDI'20, section
//! 3.2).

use naxos_proto::chain::{Chain, LogletKind, LogletParams};
use naxos_proto::ids::{ChainVersion, LogletId, Lsn, StorageId};
use naxos_proto::seams::Instant;

use super::{Reconfigured, VirtualLog};
use crate::reconfigure::{Installed, ReconfigureError, VersionedChain};

impl VirtualLog {
    /// Ends the active segment and begins another one of kind `kind`, or of the same kind if `None`. If another process
    /// installs a successor first, goes on with that one, whatever its kind.
    ///
    /// Appends wait meanwhile and then go on in order. If too many wait already, an append is refused. An append in
    /// flight is settled by the end of the old segment. Its outcome is unknown if the old sequencer does not answer in
    /// time, if the segment ends within its batch, or if the segment has left the chain.
    ///
    /// # Cancel safety
    /// Not cancel safe: run it in a task of its own.
    pub async fn reconfigure(&self, kind: Option<LogletKind>) -> Result<Reconfigured, ReconfigureError> {
        self.change(kind, None).await
    }

    /// As [`Self::reconfigure`], with the sequencer of the next segment on the node `to`. Fails and changes nothing if
    /// that node is not among the sequencers of [`Liveness`](crate::Liveness).
    /// # Cancel safety
    /// Not cancel safe: run it in a task of its own.
    pub async fn move_sequencer(&self, to: StorageId) -> Result<Reconfigured, ReconfigureError> {
        self.change(None, Some(to)).await
    }

    async fn change(
        &self,
        kind: Option<LogletKind>,
        sequencer: Option<StorageId>,
    ) -> Result<Reconfigured, ReconfigureError> {
        let _one = self.reconfiguring.lock().await;
        let began = self.clock.now();
        match self.extend(kind, sequencer).await {
            Ok((now, closed_at)) => {
                let pause = self.clock.now().since(closed_at);
                let micros = |d: std::time::Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
                let active = now.chain.active();
                tracing::info!(
                    ordinal = active.params.id.ordinal,
                    segment_start = active.start.0,
                    kind = %active.params.kind,
                    pause_us = micros(pause),
                    took_us = micros(self.clock.now().since(began)),
                    "reconfigured the log"
                );
                Ok(Reconfigured { version: now.version, chain: now.chain, pause })
            }
            Err(e) => {
                // The old loglet may be sealed already. Then the next append that meets the seal closes the gate again.
                self.gate.abandon();
                Err(e)
            }
        }
    }

    /// As [`Self::reconfigure`], but only if the chain still has version `seen`. If another process has changed the
    /// chain meanwhile, adopts that chain and changes nothing.
    /// # Cancel safety
    /// Not cancel safe: run it in a task of its own.
    pub async fn reconfigure_from(&self, seen: ChainVersion) -> Result<(), ReconfigureError> {
        if !self.adopt_newer(seen).await? {
            self.reconfigure(None).await?;
        }
        Ok(())
    }

    async fn extend(
        &self,
        kind: Option<LogletKind>,
        sequencer: Option<StorageId>,
    ) -> Result<(VersionedChain, Instant), ReconfigureError> {
        let found = self.register.get().await?;
        self.refuse_older(&found)?;
        let old = found.chain.active().clone();
        let kind = kind.unwrap_or(old.params.kind);
        let id = LogletId { log: self.config.log, ordinal: old.params.id.ordinal + 1, nonce: self.entropy.id() };
        let provider = self.providers.of(kind)?;
        let mut alive = self.alive.borrow().clone();
        if let Some(node) = sequencer {
            alive.sequencers.retain(|process| process.storage == node);
        }
        let params = provider.choose_params(id, &alive)?;
        // The successor is prepared before the seal, so that appends wait for one sync less.
        provider.prepare(&params).await?;
        self.gate.close();
        let closed_at = self.clock.now();
        let loglet = self.providers.open(&old.params)?;
        let end = loglet.seal().await?;
        let ended = loglet.secure_end(end, &alive).await?;
        let now = self.install_successor(found, ended, old.lsn(end), params).await?;
        self.activate(now.clone()).await?;
        Ok((now, closed_at))
    }

    /// Installs `params` as the successor of the loglet `ended`, which ends at `end`, or finds the successor that
    /// another process installed. If the chain was changed and the loglet is still its last segment, then the log was
    /// trimmed, or an ended segment got other units. In that case the edit is made again on the changed chain.
    async fn install_successor(
        &self,
        found: VersionedChain,
        ended: LogletParams,
        end: Lsn,
        params: LogletParams,
    ) -> Result<VersionedChain, ReconfigureError> {
        let mut base = found;
        loop {
            let extended = base.chain.extended(end, params.clone()).with_params(ended.clone());
            let extended: Chain = extended.expect("the loglet is the last segment of the chain");
            match self.register.install(base.version, extended).await? {
                Installed::Ours(now) => return Ok(now),
                Installed::Theirs(now) if now.chain.active().params.id == ended.id => base = now,
                Installed::Theirs(now) => {
                    tracing::debug!(
                        ordinal = now.chain.active().params.id.ordinal,
                        "another node has installed a chain first"
                    );
                    return Ok(now);
                }
            }
        }
    }
}

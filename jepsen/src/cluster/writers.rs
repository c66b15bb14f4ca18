//! [`Writers`]: several clients that write at the same time.

use std::ops::Range;
use std::sync::Arc;

use anyhow::ensure;
use naxos_benches::cluster::gaps::Gaps;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::writer::{Done, Habits, Writer};
use crate::kill_loop::ledger::Ledger;

/// Clients that write through all members.
pub(super) struct Writers {
    stop: CancellationToken,
    gaps: Arc<Gaps>,
    writers: Vec<Writer>,
}

impl Writers {
    /// Starts the writers with these numbers.
    pub(super) fn start(runtime: &Runtime, numbers: Range<u32>, urls: &[String], habits: Habits) -> Self {
        let (stop, gaps) = (CancellationToken::new(), Arc::new(Gaps::new(numbers.end as usize)));
        let start = |number| Writer::start(runtime, number, urls.to_vec(), habits, Arc::clone(&gaps), stop.clone());
        Self { writers: numbers.map(start).collect(), gaps, stop }
    }

    /// How long no write succeeded.
    pub(super) fn gaps(&self) -> &Gaps {
        &self.gaps
    }

    /// Ends the writing, and enters what was written into `ledger`.
    ///
    /// # Errors
    /// If a client was told an error, or if a revision was used twice.
    pub(super) fn finish_without_error(self, runtime: &Runtime, ledger: &mut Ledger) -> anyhow::Result<()> {
        for done in self.finish(runtime)? {
            ensure!(done.errors.is_empty(), "clients were told: {:?}", done.errors);
            done.written.into_iter().try_for_each(|written| ledger.enter(written))?;
        }
        Ok(())
    }

    /// Ends the writing, and returns what each writer has done.
    pub(super) fn finish(self, runtime: &Runtime) -> anyhow::Result<Vec<Done>> {
        self.stop.cancel();
        self.writers.into_iter().map(|writer| runtime.block_on(writer.join())).collect()
    }
}

//! [`CorfuProvider`]: opens Corfu loglets and creates them.

use std::sync::Arc;

use futures::future::BoxFuture;
use naxos_proto::chain::{LogletKind, LogletParams};
use naxos_proto::contracts::{SequencerDirectory, UnitDirectory};
use naxos_proto::corfu_params::CorfuParams;
use naxos_proto::ids::{LogletId, Lsn, Offset};
use naxos_proto::seams::Clock;
use naxos_proto::unit_change::UnitChange;
use tokio_util::sync::CancellationToken;

use super::CorfuLoglet;
use super::unit_chain::UnitChain;
use super::writer::Writer;
use super::writers::Writers;
use crate::loglet::{Liveness, Loglet, LogletError, LogletProvider, Prepared};
use crate::loglets::copies::{Copies, prepare_change, raise_floor};
use crate::loglets::serve::serve;

/// Opens Corfu loglets, creates them on their units, and chooses the sequencer and the chain of units of new ones.
///
/// [`Self::tend`] must run. Otherwise nothing is appended.
pub struct CorfuProvider {
    sequencers: Arc<dyn SequencerDirectory>,
    units: Arc<dyn UnitDirectory>,
    clock: Arc<dyn Clock>,
    writers: Arc<Writers>,
}

fn decode(params: &LogletParams) -> Result<CorfuParams, LogletError> {
    CorfuParams::decode(params).map_err(|e| LogletError::Params(params.id, e))
}

impl CorfuProvider {
    /// A provider that finds sequencers and units in these directories.
    pub fn new(sequencers: Arc<dyn SequencerDirectory>, units: Arc<dyn UnitDirectory>, clock: Arc<dyn Clock>) -> Self {
        Self { sequencers, units, clock, writers: Arc::default() }
    }

    /// Writes the appends of this process, until `stop`. The outcome of an append that is not finished by then is
    /// unknown. Runs on the Worker that carries the calls to other nodes.
    pub async fn tend(&self, stop: CancellationToken) {
        self.writers.run(stop).await;
    }

    fn chain(&self, params: &LogletParams) -> Result<UnitChain, LogletError> {
        let CorfuParams { sequencer, units } = decode(params)?;
        let copies = Copies::new(&*self.units, params.id, sequencer, &units, &self.clock)?;
        Ok(UnitChain::new(Arc::clone(&self.sequencers), copies))
    }
}

impl LogletProvider for CorfuProvider {
    fn kind(&self) -> LogletKind {
        LogletKind::CORFU
    }

    fn open(&self, params: &LogletParams) -> Result<Arc<dyn Loglet>, LogletError> {
        let chain = Arc::new(self.chain(params)?);
        let writer = Writer::new(Arc::clone(&chain), &self.writers);
        let directory = Arc::clone(&self.units);
        Ok(Arc::new(CorfuLoglet { params: params.clone(), chain, writer, directory }))
    }

    fn prepare<'a>(&'a self, params: &'a LogletParams) -> BoxFuture<'a, Result<(), LogletError>> {
        Box::pin(async move { self.chain(params)?.open_on_units().await })
    }

    fn serve<'a>(&'a self, params: &'a LogletParams, start: Lsn) -> BoxFuture<'a, Result<(), LogletError>> {
        Box::pin(async move { serve(&*self.sequencers, params, start, decode(params)?.sequencer).await })
    }

    fn raise_floor<'a>(&'a self, gone: &'a [LogletParams], ordinal: u64) -> BoxFuture<'a, Result<(), LogletError>> {
        Box::pin(async move {
            let units =
                gone.iter().map(|params| decode(params).map(|decoded| decoded.units)).collect::<Result<Vec<_>, _>>()?;
            raise_floor(&*self.units, &*self.clock, gone, units, ordinal).await
        })
    }

    fn prepare_change<'a>(
        &'a self,
        params: &'a LogletParams,
        change: &'a UnitChange,
        below: Offset,
    ) -> BoxFuture<'a, Result<Prepared, LogletError>> {
        Box::pin(prepare_change(&*self.units, &self.clock, params, change, below))
    }

    fn choose_params(&self, id: LogletId, alive: &Liveness) -> Result<LogletParams, LogletError> {
        let sequencer = alive.best_sequencer()?;
        // An append needs all units, so a unit that is silent is left out. A later loglet has it again when it is back.
        let mut units: Vec<_> = alive.units.iter().copied().filter(|unit| !alive.silent.contains(unit)).collect();
        if units.is_empty() || units.len() < alive.units_min {
            return Err(alive.too_few_units(units.len(), "answer"));
        }
        // Every client writes to the first unit first. The clients on the sequencer's node get their offsets without a
        // message, so with the first unit on that node their first write needs no message either.
        units.sort_by_key(|unit| (*unit != sequencer.storage, *unit));
        Ok(CorfuParams { sequencer, units }.encode(id))
    }
}

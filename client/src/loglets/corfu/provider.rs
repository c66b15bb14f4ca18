//! [`CorfuProvider`]: opens Corfu loglets and creates them.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use naxos_proto::chain::{LogletKind, LogletParams};
use naxos_proto::contracts::{SequencerDirectory, UnitDirectory};
use naxos_proto::corfu_params::CorfuParams;
use naxos_proto::ids::LogletId;
use naxos_proto::seams::Clock;
use tokio_util::sync::CancellationToken;

use super::CorfuLoglet;
use super::unit_chain::UnitChain;
use super::writer::Writer;
use super::writers::Writers;
use crate::loglet::{Liveness, Loglet, LogletError, LogletProvider};
use crate::loglets::copies::{Copies, raise_floor};

/// Opens Corfu loglets, creates them on their units, and chooses the sequencer and the chain of units of new ones.
///
/// [`Self::tend`] must run, or nothing is appended.
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

    /// Writes the appends of this process, until `stop`. What is not finished then ends as unknown. Runs on the Worker
    /// that carries the calls to other nodes.
    pub async fn tend(&self, stop: CancellationToken) {
        self.writers.run(stop).await;
    }

    fn chain(&self, params: &LogletParams) -> Result<UnitChain, LogletError> {
        let CorfuParams { sequencer, units } = decode(params)?;
        let copies = Copies::new(&*self.units, params.id, sequencer, &units, &self.clock)?;
        Ok(UnitChain::new(sequencer, Arc::clone(&self.sequencers), copies))
    }
}

impl LogletProvider for CorfuProvider {
    fn kind(&self) -> LogletKind {
        LogletKind::CORFU
    }

    fn open(&self, params: &LogletParams) -> Result<Arc<dyn Loglet>, LogletError> {
        let chain = Arc::new(self.chain(params)?);
        let writer = Writer::new(Arc::clone(&chain), &self.writers);
        Ok(Arc::new(CorfuLoglet { params: params.clone(), chain, writer }))
    }

    fn prepare<'a>(&'a self, params: &'a LogletParams) -> BoxFuture<'a, Result<(), LogletError>> {
        Box::pin(async move { self.chain(params)?.open_on_units().await })
    }

    fn serve<'a>(&'a self, params: &'a LogletParams) -> BoxFuture<'a, Result<(), LogletError>> {
        Box::pin(async move {
            match self.sequencers.sequencer(decode(params)?.sequencer) {
                Some(sequencer) => sequencer.serve(params).await.map_err(|e| LogletError::NotServed(params.id, e)),
                // The sequencer died meanwhile. Appends will report that, and a reconfiguration will follow.
                None => Ok(()),
            }
        })
    }

    fn raise_floor<'a>(&'a self, gone: &'a [LogletParams], ordinal: u64) -> BoxFuture<'a, Result<(), LogletError>> {
        Box::pin(async move {
            let Some(first) = gone.first() else { return Ok(()) };
            let mut storages = BTreeSet::new();
            for params in gone {
                storages.extend(decode(params)?.units);
            }
            raise_floor(&*self.units, &*self.clock, first.id, storages, ordinal).await
        })
    }

    fn choose_params(&self, id: LogletId, alive: &Liveness) -> Result<LogletParams, LogletError> {
        let Some(sequencer) = alive.sequencers.first().copied() else {
            return Err(LogletError::Unavailable("no sequencer is alive".to_owned()));
        };
        // An append needs all units, so one that is silent is left out. It is taken in again when it is back.
        let mut units: Vec<_> = alive.units.iter().copied().filter(|unit| !alive.silent.contains(unit)).collect();
        if units.is_empty() || units.len() < alive.units_min {
            let (count, min) = (units.len(), alive.units_min.max(1));
            return Err(LogletError::Unavailable(format!(
                "{count} storage units answer, but a loglet needs {min}: as many as a majority of the voters of the \
                 metadata store"
            )));
        }
        // The sequencer's node gets its offsets without a message, so it also gets the unit to which all write first.
        units.sort_by_key(|unit| (*unit != sequencer.storage, *unit));
        Ok(CorfuParams { sequencer, units }.encode(id))
    }
}

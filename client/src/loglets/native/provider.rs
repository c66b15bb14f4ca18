//! [`NativeProvider`]: opens native loglets and creates them.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use naxos_proto::chain::{LogletKind, LogletParams};
use naxos_proto::contracts::{SequencerDirectory, Shape, StorageUnit, UnitDirectory, UnitParams};
use naxos_proto::ids::{LogletId, StorageId};
use naxos_proto::native_params::NativeParams;

use super::NativeLoglet;
use crate::loglet::{Liveness, Loglet, LogletError, LogletProvider};

/// Opens native loglets, creates them on their units, and chooses the sequencer and units of new ones.
pub struct NativeProvider {
    sequencers: Arc<dyn SequencerDirectory>,
    units: Arc<dyn UnitDirectory>,
}

fn decode(params: &LogletParams) -> Result<NativeParams, LogletError> {
    NativeParams::decode(params).map_err(|e| LogletError::Params(params.id, e))
}

impl NativeProvider {
    /// A provider that finds sequencers and units in these directories.
    pub fn new(sequencers: Arc<dyn SequencerDirectory>, units: Arc<dyn UnitDirectory>) -> Self {
        Self { sequencers, units }
    }

    fn unit(&self, loglet: LogletId, storage: StorageId) -> Result<Arc<dyn StorageUnit>, LogletError> {
        self.units.unit(storage).ok_or_else(|| {
            let storage = storage.0;
            LogletError::Unavailable(format!(
                "loglet {loglet} needs storage unit {storage:016x}, which is not known here"
            ))
        })
    }

    fn units_of(&self, loglet: LogletId, native: &NativeParams) -> Result<Vec<Arc<dyn StorageUnit>>, LogletError> {
        native.units.iter().map(|storage| self.unit(loglet, *storage)).collect()
    }
}

impl LogletProvider for NativeProvider {
    fn kind(&self) -> LogletKind {
        LogletKind::NATIVE
    }

    fn open(&self, params: &LogletParams) -> Result<Arc<dyn Loglet>, LogletError> {
        let native = decode(params)?;
        let sequencer = self.sequencers.sequencer(native.sequencer);
        let units = self.units_of(params.id, &native)?;
        Ok(Arc::new(NativeLoglet { params: params.clone(), native, sequencer, units }))
    }

    fn prepare<'a>(&'a self, params: &'a LogletParams) -> BoxFuture<'a, Result<(), LogletError>> {
        Box::pin(async move {
            let native = decode(params)?;
            let on_unit = UnitParams { shape: Shape::Contiguous, incarnation: native.sequencer };
            let units = self.units_of(params.id, &native)?;
            for opened in join_all(units.iter().map(|u| u.open(params.id, on_unit))).await {
                opened.map_err(|e| LogletError::Unavailable(e.to_string()))?;
            }
            Ok(())
        })
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
            let mut outcome = Ok(());
            for storage in storages {
                let raised = match self.unit(first.id, storage) {
                    Ok(unit) => {
                        let raised = unit.raise_floor(first.id.log, ordinal).await;
                        raised.map_err(|e| LogletError::Unavailable(e.to_string()))
                    }
                    Err(e) => Err(e),
                };
                outcome = outcome.and(raised);
            }
            outcome
        })
    }

    fn choose_params(&self, id: LogletId, alive: &Liveness) -> Result<LogletParams, LogletError> {
        let Some(sequencer) = alive.sequencers.first().copied() else {
            return Err(LogletError::Unavailable("no sequencer is alive".to_owned()));
        };
        if alive.units.is_empty() {
            return Err(LogletError::Unavailable("no storage unit is alive".to_owned()));
        }
        let write_quorum = u16::try_from(alive.units.len() / 2 + 1).expect("a cluster has few units");
        Ok(NativeParams { sequencer, units: alive.units.clone(), write_quorum }.encode(id))
    }
}

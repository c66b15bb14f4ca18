//! [`NativeProvider`]: opens native loglets and creates them.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use naxos_proto::chain::{LogletKind, LogletParams};
use naxos_proto::contracts::{SequencerDirectory, StorageUnit, UnitDirectory};
use naxos_proto::ids::{LogletId, StorageId};
use naxos_proto::native_params::NativeParams;
use naxos_proto::seams::Clock;

use super::NativeLoglet;
use super::ask_units::ask_units;
use super::direct::Direct;
use super::trim::SLOW_UNITS_PATIENCE;
use crate::loglet::{Liveness, Loglet, LogletError, LogletProvider};

/// Opens native loglets, creates them on their units, and chooses the sequencer and units of new ones.
pub struct NativeProvider {
    sequencers: Arc<dyn SequencerDirectory>,
    units: Arc<dyn UnitDirectory>,
    clock: Arc<dyn Clock>,
}

fn decode(params: &LogletParams) -> Result<NativeParams, LogletError> {
    NativeParams::decode(params).map_err(|e| LogletError::Params(params.id, e))
}

impl NativeProvider {
    /// A provider that finds sequencers and units in these directories.
    pub fn new(sequencers: Arc<dyn SequencerDirectory>, units: Arc<dyn UnitDirectory>, clock: Arc<dyn Clock>) -> Self {
        Self { sequencers, units, clock }
    }

    fn unit(&self, loglet: LogletId, storage: StorageId) -> Result<Arc<dyn StorageUnit>, LogletError> {
        self.units.unit(storage).ok_or_else(|| {
            let storage = storage.0;
            LogletError::Unavailable(format!(
                "loglet {loglet} needs storage unit {storage:016x}, which is not known here"
            ))
        })
    }

    fn native_loglet(&self, params: &LogletParams) -> Result<NativeLoglet, LogletError> {
        let native = decode(params)?;
        let sequencers = Arc::clone(&self.sequencers);
        let units = native.units.iter().map(|storage| self.unit(params.id, *storage)).collect::<Result<Vec<_>, _>>()?;
        let is_near: Vec<bool> = units.iter().map(|unit| unit.tail_now(params.id).is_some()).collect();
        let is_sequencers = |storage: &StorageId| *storage == native.sequencer.storage;
        let is_sequenced_here =
            native.units.iter().zip(&is_near).any(|(unit, is_near)| *is_near && is_sequencers(unit));
        // The only unit may refuse a store, and then the offset is given out again. So its tail says nothing about an
        // offset that was heard before.
        let concludes = units.len() > 1 && !is_sequenced_here;
        let direct = concludes.then(|| Arc::new(Direct::new(units.len(), native.write_quorum.into())));
        let (params, clock) = (params.clone(), Arc::clone(&self.clock));
        Ok(NativeLoglet { params, native, sequencers, sequencer: OnceLock::new(), units, is_near, clock, direct })
    }
}

impl LogletProvider for NativeProvider {
    fn kind(&self) -> LogletKind {
        LogletKind::NATIVE
    }

    fn open(&self, params: &LogletParams) -> Result<Arc<dyn Loglet>, LogletError> {
        Ok(Arc::new(self.native_loglet(params)?))
    }

    fn prepare<'a>(&'a self, params: &'a LogletParams) -> BoxFuture<'a, Result<(), LogletError>> {
        Box::pin(async move { self.native_loglet(params)?.open_on_units().await })
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
            let (mut units, mut outcome) = (Vec::new(), Ok(()));
            for storage in storages {
                match self.unit(first.id, storage) {
                    Ok(unit) => units.push(unit),
                    Err(e) => outcome = outcome.and(Err(e)),
                }
            }
            let calls = units.iter().map(|unit| unit.raise_floor(first.id.log, ordinal));
            let answers = ask_units(calls, 0, self.clock.sleep(SLOW_UNITS_PATIENCE)).await;
            match answers.errors.first() {
                _ if answers.good.len() == units.len() => outcome,
                Some(e) => outcome.and(Err(LogletError::Unavailable(e.to_string()))),
                None => outcome.and(Err(LogletError::Unavailable("a storage unit does not answer".to_owned()))),
            }
        })
    }

    fn choose_params(&self, id: LogletId, alive: &Liveness) -> Result<LogletParams, LogletError> {
        let Some(sequencer) = alive.sequencers.first().copied() else {
            return Err(LogletError::Unavailable("no sequencer is alive".to_owned()));
        };
        if alive.units.is_empty() {
            return Err(LogletError::Unavailable("no storage unit is alive".to_owned()));
        }
        if alive.units.len() < alive.units_min {
            let (units, min) = (alive.units.len(), alive.units_min);
            return Err(LogletError::Unavailable(format!(
                "{units} storage units are alive, but a loglet needs {min}: as many as a majority of the voters of the \
                 metadata store"
            )));
        }
        let write_quorum = u16::try_from(alive.units.len() / 2 + 1).expect("a cluster has few units");
        Ok(NativeParams { sequencer, units: alive.units.clone(), write_quorum }.encode(id))
    }
}

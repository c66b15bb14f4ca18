//! [`NativeProvider`]: opens native loglets and creates them.

use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use naxos_proto::chain::{LogletKind, LogletParams};
use naxos_proto::contracts::{SequencerDirectory, UnitDirectory};
use naxos_proto::ids::{LogletId, Lsn, Offset, StorageId};
use naxos_proto::native_params::NativeParams;
use naxos_proto::seams::Clock;
use naxos_proto::unit_change::UnitChange;

use super::NativeLoglet;
use super::direct::Direct;
use crate::loglet::{Liveness, Loglet, LogletError, LogletProvider, Prepared};
use crate::loglets::copies::{Copies, prepare_change, raise_floor};
use crate::loglets::serve::serve;

/// Opens native loglets, creates them on their units, and chooses the sequencer and units of new ones.
pub struct NativeProvider {
    sequencers: Arc<dyn SequencerDirectory>,
    units: Arc<dyn UnitDirectory>,
    clock: Arc<dyn Clock>,
    kind: LogletKind,
}

fn decode(params: &LogletParams) -> Result<NativeParams, LogletError> {
    NativeParams::decode(params).map_err(|e| LogletError::Params(params.id, e))
}

impl NativeProvider {
    /// A provider that finds sequencers and units in these directories.
    pub fn new(sequencers: Arc<dyn SequencerDirectory>, units: Arc<dyn UnitDirectory>, clock: Arc<dyn Clock>) -> Self {
        Self { sequencers, units, clock, kind: LogletKind::NATIVE }
    }

    /// The same provider for native loglets under another number.
    pub fn with_kind(self, kind: LogletKind) -> Self {
        assert!(kind.is_native(), "loglets of {kind} are not native");
        Self { kind, ..self }
    }

    fn native_loglet(&self, params: &LogletParams) -> Result<NativeLoglet, LogletError> {
        let native = decode(params)?;
        let sequencers = Arc::clone(&self.sequencers);
        let copies = Copies::new(&*self.units, params.id, native.sequencer, &native.units, &self.clock)?;
        let is_sequencers = |storage: &StorageId| *storage == native.sequencer.storage;
        let is_sequenced_here =
            native.units.iter().zip(&copies.is_near).any(|(unit, is_near)| *is_near && is_sequencers(unit));
        // A loglet's only unit may refuse a store, and the sequencer then gives the offset to another append. So a tail
        // above the offset does not say which of the two appends is stored there.
        let concludes = native.units.len() > 1 && !is_sequenced_here;
        let direct = concludes.then(|| Arc::new(Direct::new(native.units.len(), native.write_quorum.into())));
        let (params, copies) = (params.clone(), Arc::new(copies));
        Ok(NativeLoglet { params, native, sequencers, sequencer: OnceLock::new(), copies, direct })
    }
}

impl LogletProvider for NativeProvider {
    fn kind(&self) -> LogletKind {
        self.kind
    }

    fn open(&self, params: &LogletParams) -> Result<Arc<dyn Loglet>, LogletError> {
        Ok(Arc::new(self.native_loglet(params)?))
    }

    fn prepare<'a>(&'a self, params: &'a LogletParams) -> BoxFuture<'a, Result<(), LogletError>> {
        Box::pin(async move { self.native_loglet(params)?.open_on_units().await })
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
        if alive.units.is_empty() {
            return Err(LogletError::Unavailable("no storage unit is alive".to_owned()));
        }
        if alive.units.len() < alive.units_min {
            return Err(alive.too_few_units(alive.units.len(), "are alive"));
        }
        let write_quorum = u16::try_from(alive.units.len() / 2 + 1).expect("a cluster has few units");
        let native = NativeParams { sequencer, units: alive.units.clone(), write_quorum }.encode(id);
        Ok(LogletParams { kind: self.kind, ..native })
    }
}

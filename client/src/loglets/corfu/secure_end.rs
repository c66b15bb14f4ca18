//! Makes enough copies of the cells that a seal settles, before the chain makes them part of the log
//! (`docs/protocol.md`, cluster 20).

use naxos_proto::chain::LogletParams;
use naxos_proto::contracts::UnitDirectory;
use naxos_proto::corfu_params::CorfuParams;
use naxos_proto::ids::{Offset, StorageId};

use super::seal_found::SealFound;
use super::unit_chain::UnitChain;
use crate::loglet::{Liveness, LogletError};
use crate::loglets::copies::Copies;

impl UnitChain {
    /// The body of `Loglet::secure_end`.
    pub(super) async fn secure_end(
        &self,
        params: &LogletParams,
        end: Offset,
        alive: &Liveness,
        directory: &dyn UnitDirectory,
    ) -> Result<LogletParams, LogletError> {
        let SealFound { holders, on_all } = self.seal_found.lock().clone();
        let lacks = alive.units_min.saturating_sub(holders.len());
        if on_all >= end || lacks == 0 {
            return Ok(params.clone());
        }
        let mut corfu = CorfuParams::decode(params).map_err(|e| LogletError::Params(params.id, e))?;
        let is_spare = |unit: &StorageId| !corfu.units.contains(unit) && !alive.silent.contains(unit);
        let spares = alive.units.iter().copied().filter(is_spare);
        let (named, units) = (corfu.units.len(), corfu.units.iter().copied().chain(spares).collect::<Vec<_>>());
        let copies = Copies::new(directory, params.id, self.owner, &units, &self.copies.clock)?;
        corfu.units.extend(copies.secure(named, &holders, on_all..end, lacks).await?);
        Ok(corfu.encode(params.id))
    }
}

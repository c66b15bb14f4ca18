//! Opens the loglets of segments for reading.

use std::sync::Arc;

use naxos_proto::chain::Segment;

use super::VirtualLog;
use super::active::Active;
use crate::loglet::Loglet;
use crate::shared_log::LogError;

/// At most this many loglets of sealed segments are kept open for reading.
const OPEN_LOGLETS_MAX: usize = 64;

impl VirtualLog {
    /// The loglet of a segment of `active`, opened for reading. A segment that has ended may get other units. Then its
    /// loglet is opened again. Readers that still use the earlier units find the same cells there.
    pub(super) fn loglet_of(&self, active: &Active, segment: &Segment) -> Result<Arc<dyn Loglet>, LogError> {
        let id = segment.params.id;
        if id == active.loglet.params().id {
            return Ok(Arc::clone(&active.loglet));
        }
        let mut open = self.sealed_loglets.lock();
        if let Some(found) = open.get(&id).filter(|found| *found.params() == segment.params) {
            return Ok(Arc::clone(found));
        }
        let loglet = self.providers.open(&segment.params).map_err(super::unavailable)?;
        if open.len() >= OPEN_LOGLETS_MAX {
            open.pop_first();
        }
        open.insert(id, Arc::clone(&loglet));
        Ok(loglet)
    }
}

//! Replication of the whole log: every segment gets back the copies that it lacks.

use naxos_proto::tail::Tail;

use super::{VirtualLog, unavailable};
use crate::shared_log::LogError;

impl VirtualLog {
    /// Copies cells to the storage units that lack them, in every segment of the chain. Goes on with the other segments
    /// after an error, and then returns the first error. Returns how many copies were made.
    /// # Cancel safety
    /// If the future is dropped, some copies may have been made. The call may be repeated.
    pub async fn replicate(&self) -> Result<u64, LogError> {
        let active = self.active.load_full();
        let mut outcome = Ok(0);
        for segment in &active.chain.segments {
            let copied = async {
                let loglet = self.loglet_of(&active, segment)?;
                let below = match segment.end {
                    Some(end) => segment.offset(end),
                    None => match loglet.check_tail().await.map_err(unavailable)? {
                        Tail::Open(tail) => tail,
                        // Only the chain says where this segment ends. Its cells are copied once the chain says so.
                        Tail::Sealed(_) => return Ok(0),
                    },
                };
                loglet.replicate(below, segment.end.is_some()).await.map_err(unavailable)
            };
            outcome = match (outcome, copied.await) {
                (Ok(all), Ok(copied)) => Ok(all + copied),
                (Err(e), _) | (Ok(_), Err(e)) => Err(e),
            };
        }
        outcome
    }
}

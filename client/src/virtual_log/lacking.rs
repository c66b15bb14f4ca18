//! What the storage units lack of the whole log.

use futures::future::join_all;
use naxos_proto::ids::{LogletId, StorageId};
use naxos_proto::tail::Tail;

use super::VirtualLog;

/// What the units of one segment lack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentCopies {
    /// The segment's loglet.
    pub loglet: LogletId,
    /// How many cells each of its units lacks. `None` for a unit that does not answer.
    pub lacks: Vec<(StorageId, Option<u64>)>,
}

impl VirtualLog {
    /// What the units of each segment lack, the oldest segment first. A segment that cannot be looked at is left out.
    /// # Cancel safety
    /// Cancel safe.
    pub async fn lacking(&self) -> Vec<SegmentCopies> {
        let active = self.active.load_full();
        let looks = active.chain.segments.iter().map(|segment| async {
            let loglet = self.loglet_of(&active, segment).ok()?;
            let below = match segment.end {
                Some(end) => segment.offset(end),
                None => match loglet.check_tail().await.ok()? {
                    Tail::Open(tail) => tail,
                    // Only the chain says where this segment ends.
                    Tail::Sealed(_) => return None,
                },
            };
            Some(SegmentCopies { loglet: segment.params.id, lacks: loglet.lacking(below).await })
        });
        join_all(looks).await.into_iter().flatten().collect()
    }
}

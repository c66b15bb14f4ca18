//! Following the tails that the units of the active loglet tell (`docs/protocol.md`, cluster 3).

use std::sync::Arc;

use naxos_proto::ids::{LogletId, Offset};

use super::VirtualLog;

impl VirtualLog {
    /// Follows the tails that the units of the active loglet tell, so that appends of this process are acknowledged,
    /// and followers get cells, without a message of the sequencer. While nobody runs this future, appends and
    /// followers wait until the sequencer tells the tail. Never resolves.
    /// # Cancel safety: nothing is lost when dropped.
    pub async fn listen(&self) {
        let mut version = self.version.subscribe();
        loop {
            version.borrow_and_update();
            let loglet = Arc::clone(&self.active.load().loglet);
            let id = loglet.params().id;
            let is_replaced = async {
                // The sender lives as long as this log, so this cannot fail.
                while version.changed().await.is_ok() && self.active.load().loglet.params().id == id {}
                // In this block, and not after it: when the block ends, the loglet is not listened to any more. Appends
                // that the sequencer lost would then end as unknown, although the end of the segment settles them.
                loglet.retire(self.end_of(id));
            };
            tokio::select! {
                biased;
                () = is_replaced => {}
                () = loglet.listen() => {}
            }
        }
    }

    /// The end that the chain gives this loglet. `None` if the chain does not name the loglet or has not ended it.
    fn end_of(&self, loglet: LogletId) -> Option<Offset> {
        let active = self.active.load();
        let segment = active.chain.segments.iter().find(|s| s.params.id == loglet)?;
        segment.end.map(|end| segment.offset(end))
    }
}

//! [`SyncedNews`]: how many batches of this node's journal are durable, and what the peers told of theirs.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::contracts::SyncedBatches;
use crate::ids::{Boot, StorageId};
use crate::peer::limits::NODES_MAX;

/// Every answer that says that something is durable also tells how many batches of the journal are durable. This number
/// includes the batch that holds the durable data, so the caller hears of that batch too. Only the numbers in answers
/// are noted, because a peer that answers was called at its member's address. A process that calls this node may run on
/// a copy of a member's data directory, and it can call from anywhere.
pub struct SyncedNews {
    boot: Boot,
    own: Box<dyn Fn() -> u64 + Send + Sync>,
    heard: Mutex<BTreeMap<StorageId, SyncedBatches>>,
}

impl SyncedNews {
    /// The news of the process `boot`. `own` returns how many batches of its journal are durable.
    pub fn new(boot: Boot, own: impl Fn() -> u64 + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { boot, own: Box::new(own), heard: Mutex::default() })
    }

    /// This process, and how many batches of its journal are durable.
    pub(super) fn own(&self) -> (Boot, u64) {
        (self.boot, (self.own)())
    }

    /// Takes note of what a peer told.
    pub(super) fn hear(&self, peer: StorageId, boot: Boot, count: u64) {
        let mut heard = self.heard.lock();
        if let Some(told) = heard.get_mut(&peer) {
            told.note(boot, count);
        } else if heard.len() < NODES_MAX {
            heard.insert(peer, SyncedBatches::first(boot, count));
        }
    }

    /// What each peer told.
    pub fn heard(&self) -> Vec<(StorageId, SyncedBatches)> {
        self.heard.lock().iter().map(|(peer, told)| (*peer, *told)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_peers_is_bounded() {
        let news = SyncedNews::new(Boot(1), || 0);
        (0..=NODES_MAX as u64).for_each(|peer| news.hear(StorageId(peer), Boot(1), 5));
        news.hear(StorageId(0), Boot(2), 3);
        let heard = news.heard();
        assert_eq!((heard.len(), heard[0].1), (NODES_MAX, SyncedBatches { boot: Boot(2), count: 3, earlier: 5 }));
    }
}

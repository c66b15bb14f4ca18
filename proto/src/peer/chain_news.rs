//! [`ChainNews`]: which version of the chain this node has, and of which version it has heard.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::ids::ChainVersion;

/// The version of the chain that this node tells its peers, and the highest version that they told.
///
/// Calls and answers between nodes carry a version. A node that hears of a higher version than its own fetches the
/// chain from the MetaStore. It waits for such a version with [`ChainNews::subscribe`].
#[derive(Debug)]
pub struct ChainNews {
    known: AtomicU64,
    heard: watch::Sender<ChainVersion>,
}

impl ChainNews {
    /// A node that has the chain of version `known`.
    pub fn new(known: ChainVersion) -> Self {
        Self { known: AtomicU64::new(known.0), heard: watch::Sender::new(known) }
    }

    /// The version that this node tells its peers.
    pub fn known(&self) -> ChainVersion {
        ChainVersion(self.known.load(Ordering::Relaxed))
    }

    /// Says that this node has the chain of version `version` now. A lower version than the known one changes nothing.
    pub fn set_known(&self, version: ChainVersion) {
        self.known.fetch_max(version.0, Ordering::Relaxed);
    }

    /// Takes note of a version that a peer told.
    pub fn hear(&self, version: ChainVersion) {
        // Nearly all versions that are heard are known already. This check avoids the lock for them.
        if version > self.known() {
            self.heard.send_if_modified(|highest| {
                let is_news = version > *highest;
                *highest = version.max(*highest);
                is_news
            });
        }
    }

    /// The highest version that a peer told, as a value that can be waited for. If it is above [`Self::known`], this
    /// node has to fetch the chain.
    pub fn subscribe(&self) -> watch::Receiver<ChainVersion> {
        self.heard.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_version_above_the_known_one_is_news() {
        let news = ChainNews::new(ChainVersion(5));
        let mut heard = news.subscribe();
        news.hear(ChainVersion(5));
        news.hear(ChainVersion(4));
        assert!(!heard.has_changed().unwrap());
        news.hear(ChainVersion(7));
        assert_eq!(*heard.borrow_and_update(), ChainVersion(7));
        news.hear(ChainVersion(6));
        assert!(!heard.has_changed().unwrap(), "the highest version was heard before");
        news.set_known(ChainVersion(7));
        news.set_known(ChainVersion(3));
        assert_eq!(news.known(), ChainVersion(7));
    }
}

//! [`FoundCache`]: what searches of the log have found.

use std::collections::BTreeMap;

use naxos_proto::ids::{Lsn, StreamId};
use parking_lot::Mutex;

use super::search::Found;

/// At most this many searches are remembered. Those of the lowest streams and positions go first.
const SEARCHES_MAX: usize = 4_096;

/// The newest entry of a stream below a position, for positions below which somebody has searched. Nothing below a checked
/// tail changes, so what was found once stays right until it is trimmed. Readers of one handle share it. So of all readers
/// of a stream that come to the beginning of a segment, only the first one searches the log below it.
#[derive(Default)]
pub(super) struct FoundCache(Mutex<BTreeMap<(StreamId, Lsn), Found>>);

impl FoundCache {
    /// The newest entry of `stream` below `below`, if a search has found it.
    pub(super) fn newest_below(&self, stream: StreamId, below: Lsn) -> Option<Found> {
        self.0.lock().get(&(stream, below)).cloned()
    }

    /// Notes what a search below `below` has found.
    pub(super) fn note(&self, stream: StreamId, below: Lsn, newest: Found) {
        let mut searches = self.0.lock();
        searches.insert((stream, below), newest);
        if searches.len() > SEARCHES_MAX {
            searches.pop_first();
        }
    }
}

//! [`StreamReader`]: plays the entries of one stream.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::future::try_join_all;
use naxos_proto::ids::{Lsn, StreamId};
use naxos_proto::streams::BackPointers;

use super::entry::Entry;
use super::found_cache::FoundCache;
use super::stream_error::StreamError;
use super::sync::sync;
use super::walk::Walk;
use crate::shared_log::{LogError, SharedLog};

/// At most this many positions are kept. If a stream has more entries that were not returned yet, the pointers are followed
/// again for the rest.
const POSITIONS_MAX: usize = 1 << 20;
/// This many entries are read at the same time.
const READ_AT_ONCE: usize = 16;

/// Plays the entries of one stream in their order, each once. It reads the entries of the stream, about a quarter of them
/// twice, and no others. Only if nothing points at earlier entries it has to read the log: see the module
/// [`streams`](super).
///
/// [`Self::next`] returns what [`Self::sync`] has found. So after one call of `sync`, entries are returned until `next`
/// returns `None`; then everything is returned that was acknowledged before that call.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use naxos_proto::ids::StreamId;
/// # let store = naxos::Naxos::memory().await?;
/// # let log = store.log().await?;
/// let (ada, ben) = (StreamId(1), StreamId(2));
/// log.append_to(&[ada, ben], "10 from Ada to Ben").await?;
/// log.append_to(&[ben], "5 to Ben").await?;
///
/// let mut events = log.stream(ada, log.oldest());
/// events.sync().await?; // finds all that was acknowledged before, by anybody
/// let event = events.next().await?.expect("it was appended");
/// assert_eq!(event.body, "10 from Ada to Ben");
/// assert!(events.next().await?.is_none(), "the other entry is in another stream");
///
/// // Another reader goes on from here, for example after a restart.
/// let from = events.next_position();
/// log.append_to(&[ada], "7 from Ada").await?;
/// let mut later = log.stream(ada, from);
/// later.sync().await?;
/// assert_eq!(later.next().await?.expect("it was appended").body, "7 from Ada");
/// # store.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StreamReader {
    walk: Walk,
    /// All entries below this position were returned.
    next: Lsn,
    /// The next entries.
    ready: VecDeque<Entry>,
    /// Positions after those in `ready` that may have an entry, ascending.
    positions: VecDeque<Lsn>,
    /// `positions` misses no entry below this position.
    complete_below: Lsn,
    /// Everything below this position was found by the last sync.
    synced_below: Lsn,
    /// Where the newest entries below `synced_below` are.
    newest: BackPointers,
}

impl StreamReader {
    /// A reader of the entries at `from` and above.
    pub(super) fn new(log: Arc<dyn SharedLog>, found: Arc<FoundCache>, stream: StreamId, from: Lsn) -> Self {
        Self {
            walk: Walk { log, stream, found },
            next: from,
            ready: VecDeque::new(),
            positions: VecDeque::new(),
            complete_below: from,
            synced_below: from,
            newest: BackPointers::below(from),
        }
    }

    /// The stream.
    pub fn stream(&self) -> StreamId {
        self.walk.stream
    }

    /// All entries below this position were returned. A reader that starts here goes on where this one is.
    pub fn next_position(&self) -> Lsn {
        self.next
    }

    /// Finds out which entries there are. Returns a position: every entry that was acknowledged before the call, by any
    /// process, is below it, and [`Self::next`] will return all of them. A conditional append
    /// ([`Log::append_if`](super::Log::append_if)) whose caller has read them all names this position.
    /// # Cancel safety: nothing is lost when dropped.
    ///
    /// # Errors
    /// If the log or its sequencer does not answer.
    pub async fn sync(&mut self) -> Result<Lsn, StreamError> {
        let (newest, below) = sync(&*self.walk.log, self.walk.stream).await?;
        if below > self.synced_below {
            (self.newest, self.synced_below) = (newest, below);
        }
        Ok(below)
    }

    /// The next entry. `None` if all are returned that the last [`Self::sync`] has found.
    /// # Cancel safety: no entry is lost when dropped.
    ///
    /// # Errors
    /// If the log is trimmed above the position of the reader, or does not answer.
    pub async fn next(&mut self) -> Result<Option<Entry>, StreamError> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                self.next = entry.position.next();
                return Ok(Some(entry));
            }
            if self.positions.is_empty() {
                if self.complete_below >= self.synced_below {
                    self.next = self.next.max(self.synced_below);
                    return Ok(None);
                }
                let (newest, down_to) = (self.newest.clone(), self.complete_below);
                let found = self.walk.positions(newest, down_to, self.synced_below, POSITIONS_MAX).await;
                (self.positions, self.complete_below) = found.map_err(|error| self.failed(error))?;
                continue;
            }
            let some = self.positions.iter().take(READ_AT_ONCE);
            let read = try_join_all(some.map(|position| self.walk.entry(*position))).await;
            let read = read.map_err(|error| self.failed(error))?;
            self.positions.drain(..read.len());
            self.ready.extend(read.into_iter().flatten());
        }
    }

    /// The newest entry of the stream below `below`, whether or not [`Self::next`] has returned it; `None` if there is none.
    /// If `below` is far below the end of the stream, about a quarter of the entries in between are read.
    /// # Cancel safety: nothing is lost when dropped.
    ///
    /// # Errors
    /// If the log is trimmed above that entry, or does not answer.
    pub async fn newest_below(&self, below: Lsn) -> Result<Option<Entry>, StreamError> {
        let (newest, synced_below) = sync(&*self.walk.log, self.walk.stream).await?;
        Ok(self.walk.newest_below(newest, synced_below, below).await?)
    }

    /// The entry of the stream before `entry`, which is an entry of the stream; `None` if it is the first one.
    /// # Cancel safety: nothing is lost when dropped.
    ///
    /// # Errors
    /// If the log is trimmed above that entry, or does not answer.
    pub async fn previous(&self, entry: &Entry) -> Result<Option<Entry>, StreamError> {
        Ok(self.walk.newest_below(entry.before(self.walk.stream), entry.position, entry.position).await?)
    }

    fn failed(&self, error: LogError) -> StreamError {
        match error {
            LogError::Trimmed(trimmed) => StreamError::Trimmed { stream: self.walk.stream, next: self.next, trimmed },
            error => error.into(),
        }
    }
}

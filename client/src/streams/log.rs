//! [`Log`]: a log for programs that use it directly.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{APPEND_BYTES_MAX, AppendError, Cell, Refusal};
use naxos_proto::ids::{Lsn, StreamId};
use naxos_proto::streams::{STREAMS_MAX, StreamHeader, Unchanged};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::entry::Entry;
use super::found_cache::FoundCache;
use super::reader::StreamReader;
use crate::shared_log::{LogError, Record, SharedLog};

/// Appends of a handle take at most this many shares while they are on their way. Further ones wait.
const SHARES: u32 = 65_536;
/// An append takes this many shares, and one more for each KiB of its body. So at most 1,024 appends with 64 MiB are on their
/// way.
const SHARES_MIN: u32 = 64;

/// A log for programs that use it directly: append, read, follow, and the streams in it. Clones are cheap and share
/// everything. Records that were not appended through such a handle, for example commands of a store on the same log, are
/// left out of everything that is read here.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use futures::StreamExt;
///
/// // The log below a store. `Log::new` makes the same handle of a log that was opened alone.
/// let store = naxos::Naxos::memory().await?;
/// let log = store.log().await?;
/// let first = log.append("one").await?;
/// log.append("two").await?;
///
/// // What there is now: all that was acknowledged before the call of `tail`.
/// let (entries, _) = log.read(first, log.tail().await?, 1 << 20).await?;
/// assert_eq!(entries[0].body, "one");
///
/// // What there is, and then what is still to come. An item has no entries where the log has only those of others.
/// let mut items = log.follow(first);
/// let mut bodies = Vec::new();
/// while bodies.len() < 2 {
///     let (entries, _) = items.next().await.expect("it goes on")?;
///     bodies.extend(entries.into_iter().map(|entry| entry.body));
/// }
/// assert_eq!(bodies, ["one", "two"]);
///
/// // Nobody needs the first entry any more.
/// log.trim(first.next()).await?;
/// assert!(log.oldest() > first);
/// # store.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Log {
    log: Arc<dyn SharedLog>,
    appends: Arc<Semaphore>,
    found: Arc<FoundCache>,
    closed: CancellationToken,
}

impl Log {
    /// A handle of a shared log.
    pub fn new(log: Arc<dyn SharedLog>) -> Self {
        Self::until(log, CancellationToken::new())
    }

    /// As [`Self::new`], of a log that answers only until `closed` is cancelled. From then on, appends that wait for their
    /// outcome get [`AppendError::Unknown`], and new ones are refused.
    pub fn until(log: Arc<dyn SharedLog>, closed: CancellationToken) -> Self {
        Self { log, appends: Arc::new(Semaphore::new(SHARES as usize)), found: Arc::default(), closed }
    }

    /// Appends an entry that is in no stream, and waits until it is durable on a write quorum. Returns its position. While
    /// many appends of this handle are on their way, waits until there is room for this one. Appends that one task begins
    /// one after the other, without waiting for the outcome, are in that order in the log.
    /// # Cancel safety
    /// The entry may still be appended.
    ///
    /// # Errors
    /// [`AppendError::Refused`]: certainly not in the log. [`AppendError::Unknown`]: it may be in the log or not; read to
    /// find out, before trying again.
    pub async fn append(&self, body: impl AsRef<[u8]>) -> Result<Lsn, AppendError> {
        self.append_cell(&[], None, body.as_ref()).await
    }

    /// As [`Self::append`], for one entry that belongs to all of these streams. Without streams, it is [`Self::append`].
    /// # Cancel safety
    /// The entry may still be appended.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub async fn append_to(&self, streams: &[StreamId], body: impl AsRef<[u8]>) -> Result<Lsn, AppendError> {
        self.append_cell(streams, None, body.as_ref()).await
    }

    /// As [`Self::append_to`], but only if a stream has no entries that the caller does not know. Of several callers that
    /// have read the same entries, at most one succeeds, if `streams` has the stream of the condition.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use naxos_proto::contracts::{AppendError, Refusal};
    /// use naxos_proto::ids::StreamId;
    /// use naxos_proto::streams::Unchanged;
    /// # let store = naxos::Naxos::memory().await?;
    /// # let log = store.log().await?;
    /// let account = StreamId(1);
    /// // Two writers have read the stream to its end.
    /// let since = log.stream(account, log.oldest()).sync().await?;
    /// let unchanged = Unchanged { stream: account, since };
    /// log.append_if(unchanged, &[account], "the first one takes the money").await?;
    /// let second = log.append_if(unchanged, &[account], "the second one takes the money").await;
    /// assert!(matches!(second, Err(AppendError::Refused(Refusal::StreamChanged(_)))));
    /// # store.stop().await;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Cancel safety
    /// The entry may still be appended.
    ///
    /// # Errors
    /// As [`Self::append`]. [`Refusal::StreamChanged`] if the condition does not hold, or if the sequencer does not know
    /// whether it does: call [`StreamReader::sync`], read what is new, and decide again.
    pub async fn append_if(
        &self,
        unchanged: Unchanged,
        streams: &[StreamId],
        body: impl AsRef<[u8]>,
    ) -> Result<Lsn, AppendError> {
        self.append_cell(streams, Some(unchanged), body.as_ref()).await
    }

    async fn append_cell(
        &self,
        streams: &[StreamId],
        condition: Option<Unchanged>,
        body: &[u8],
    ) -> Result<Lsn, AppendError> {
        if streams.len() > STREAMS_MAX {
            let why = format!("the entry is in {} streams, expected at most {STREAMS_MAX}", streams.len());
            return Err(Refusal::Unsupported(why).into());
        }
        if body.len() > APPEND_BYTES_MAX {
            let (bytes, bytes_max) = (body.len() as u64, APPEND_BYTES_MAX as u64);
            return Err(Refusal::TooLarge { bytes, bytes_max }.into());
        }
        let in_streams = !streams.is_empty() || condition.is_some();
        let cell = Cell { in_streams, ..Cell::new(StreamHeader::blank(streams, condition, body)) };
        let (done, outcome) = Completion::channel();
        // The permit goes with the append, not with this future, which may be dropped before.
        let closed = || Refusal::Unsupported("the log was closed".to_owned());
        let shares = SHARES_MIN + u32::try_from(body.len() / 1_024).expect("the body was looked at above");
        let permit = self.closed.run_until_cancelled(Arc::clone(&self.appends).acquire_many_owned(shares)).await;
        let permit = permit.ok_or_else(closed)?.expect("the semaphore is never closed");
        let done = Completion::new(move |outcome| {
            drop(permit);
            done.complete(outcome);
        });
        self.log.append(vec![cell], done);
        let lost = || AppendError::Unknown("the log was closed during the call".to_owned());
        self.closed.run_until_cancelled(outcome).await.unwrap_or_else(|| Err(lost()))
    }

    /// The first position that is not durable: every entry that was acknowledged before the call, by any process, is below
    /// it.
    /// # Cancel safety: nothing is changed.
    ///
    /// # Errors
    /// If the log does not answer.
    pub async fn tail(&self) -> Result<Lsn, LogError> {
        self.log.check_tail().await
    }

    /// Reads the entries from `from` on and below `below`, which is at most what [`Self::tail`] returned. Stops after about
    /// `max_bytes`. Also returns the position from which to go on.
    /// # Cancel safety: nothing is changed.
    ///
    /// # Errors
    /// If the log is trimmed above `from`, or does not answer.
    pub async fn read(&self, from: Lsn, below: Lsn, max_bytes: usize) -> Result<(Vec<Entry>, Lsn), LogError> {
        entries(self.log.read(from, below, max_bytes).await?)
    }

    /// Follows the log from a position on, as entries become durable. Each item also says at which position the next one
    /// begins. An error ends the stream; follow again from the position that the last item gave.
    pub fn follow(&self, from: Lsn) -> BoxStream<'static, Result<(Vec<Entry>, Lsn), LogError>> {
        Arc::clone(&self.log).follow(from).map(|item| entries(item?)).boxed()
    }

    /// A reader of the entries of `stream` at `from` and above. Nothing is read before its first call.
    pub fn stream(&self, stream: StreamId, from: Lsn) -> StreamReader {
        StreamReader::new(Arc::clone(&self.log), Arc::clone(&self.found), stream, from)
    }

    /// The position at which the log begins, as far as this process knows. No entry is below it.
    pub fn oldest(&self) -> Lsn {
        self.log.oldest()
    }

    /// Forgets everything below `up_to`, of all streams.
    /// # Cancel safety
    /// It may be done in part.
    ///
    /// # Errors
    /// If some part of the log did not answer. Then it may keep more than necessary.
    pub async fn trim(&self, up_to: Lsn) -> Result<(), LogError> {
        self.log.trim(up_to).await
    }
}

fn entries((records, next): (Vec<Record>, Lsn)) -> Result<(Vec<Entry>, Lsn), LogError> {
    let entries = records.into_iter().filter_map(|record| Entry::of(record).transpose());
    Ok((entries.collect::<Result<_, _>>()?, next))
}

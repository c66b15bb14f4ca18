//! [`Watch`]: the changes of keys, as they happen.

use std::collections::VecDeque;
use std::pin::Pin;

use futures::{Stream, StreamExt};
use naxos_proto::etcd::client::etcdserverpb::WatchResponse as Events;
use naxos_proto::etcd::twins::WatchResponse;
use prost::Message;
use tonic::Status;

use super::{Change, Error};

/// The stream of answers from the hub of watchers.
type Answers = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

/// The changes of the watched keys, in the order of their revisions, each once. The watch ends when this is dropped.
///
/// A reader that is slow loses nothing: it reads the history later. If the history is compacted before that, the watch ends
/// with [`Error::Compacted`].
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use naxos::{Change, Keys, Naxos};
///
/// let store = Naxos::memory().await?;
/// let first = store.put("color/sky", "blue").await?;
/// store.delete("color/sky").await?;
///
/// // From a revision on: first what has happened, then what is still to come.
/// let mut changes = store.watch_from(Keys::prefix("color/"), first).await?;
/// assert!(matches!(changes.next().await?, Change::Put(pair) if pair.value == "blue"));
/// let seen = changes.next().await?;
/// assert!(matches!(seen, Change::Deleted { .. }));
///
/// // If the watch has ended, go on behind the last change that was seen.
/// let mut changes = store.watch_from(Keys::prefix("color/"), seen.revision() + 1).await?;
/// store.put("color/sea", "green").await?;
/// assert_eq!(changes.next().await?.key(), "color/sea");
/// # store.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Watch {
    answers: Answers,
    waiting: VecDeque<Change>,
}

impl Watch {
    /// A watch over the answers to a request that creates one watcher.
    pub(super) async fn over(
        answers: impl Stream<Item = Result<WatchResponse, Status>> + Send + 'static,
    ) -> Result<Self, Error> {
        let mut watch = Self { answers: Box::pin(answers), waiting: VecDeque::new() };
        // The first answer says that the watcher was created: it misses nothing from now on.
        watch.fill().await?;
        Ok(watch)
    }

    /// The next change. Waits until there is one.
    ///
    /// # Errors
    /// If the history that the watch still has to show was compacted, or if the watch has ended because the node ends,
    /// starts again or serves nothing any more.
    /// # Cancel safety
    /// No change is lost.
    pub async fn next(&mut self) -> Result<Change, Error> {
        loop {
            if let Some(change) = self.waiting.pop_front() {
                return Ok(change);
            }
            self.fill().await?;
        }
    }

    /// Takes the next answer.
    async fn fill(&mut self) -> Result<(), Error> {
        let answer = self.answers.next().await;
        let answer = answer.ok_or_else(|| Error::Ended("the watch was closed".to_owned()))?;
        // The stream ends with an error when the node stops or serves nothing any more. A node that starts again within
        // the process ends it, too: the caller watches again from the revision after the last one that it has seen.
        let answer = answer.map_err(|status| Error::Ended(status.message().to_owned()))?;
        if answer.compact_revision > 0 {
            return Err(Error::Compacted(answer.compact_revision));
        }
        if answer.canceled {
            return Err(Error::Invalid(answer.cancel_reason));
        }
        // These bytes have the tag and the length of each event, so they are a valid message that has only events.
        let events = Events::decode(answer.events).map_err(|broken| Error::NotDone(broken.to_string()))?.events;
        self.waiting.extend(events.into_iter().filter_map(Change::of));
        Ok(())
    }
}

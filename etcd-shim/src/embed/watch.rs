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
        // The events are encoded as in the whole message, so they are read as a message that has nothing else.
        let events = Events::decode(answer.events).map_err(|broken| Error::NotDone(broken.to_string()))?.events;
        self.waiting.extend(events.into_iter().filter_map(Change::of));
        Ok(())
    }
}

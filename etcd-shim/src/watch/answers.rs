//! The answers of a Watch stream, from the hub to the client.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use naxos_proto::etcd::twins::WatchResponse;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;

/// How many answers of a stream may wait for its client to read them. When the stream is full, its watchers fall
/// behind.
pub(super) const ANSWERS_MAX: usize = 128;

/// The hub's end of the channel that holds a stream's answers.
pub(super) type Outlet = mpsc::Sender<Result<Answer, Status>>;

/// An answer. It may be sent as several messages, which are its fragments. It takes only one place in the channel, so
/// the channel has room either for all of its fragments or for none.
pub(super) struct Answer {
    message: WatchResponse,
    /// For each fragment but the last one, the offset in the events' bytes at which it ends.
    cuts: Vec<usize>,
}

impl From<WatchResponse> for Answer {
    fn from(message: WatchResponse) -> Self {
        Self { message, cuts: Vec::new() }
    }
}

impl Answer {
    /// An answer in fragments. `starts` are the offsets at which its events begin. As in etcd, a fragment ends before
    /// the event that would make it `fragment_bytes` long or longer; a single event may be larger.
    pub(super) fn in_fragments(message: WatchResponse, starts: &[usize], fragment_bytes: usize) -> Self {
        let mut cuts = Vec::new();
        if message.events.len() >= fragment_bytes {
            let ends = starts.iter().skip(1).copied().chain([message.events.len()]);
            let mut from = 0;
            for (start, end) in starts.iter().copied().zip(ends) {
                if end - from >= fragment_bytes && start > from {
                    cuts.push(start);
                    from = start;
                }
            }
        }
        Self { message, cuts }
    }
}

/// A channel of answers: the hub's end, and the stream that the client gets.
pub(super) fn answers() -> (Outlet, Answers) {
    let (outlet, waiting) = mpsc::channel(ANSWERS_MAX);
    (outlet, Answers { waiting, leaving: None, gone: CancellationToken::new().drop_guard() })
}

/// The messages of a stream, for tonic to send.
pub struct Answers {
    waiting: mpsc::Receiver<Result<Answer, Status>>,
    /// The answer of which only some fragments were sent so far.
    leaving: Option<Leaving>,
    /// Cancels its token when the client is gone, or has got the last answer.
    gone: DropGuard,
}

impl Answers {
    /// Is cancelled when the client is gone, or has got the last answer.
    pub(super) fn gone(&self) -> CancellationToken {
        self.gone.token().clone()
    }
}

/// An answer that is being sent in fragments.
struct Leaving {
    answer: Answer,
    /// How many fragments were sent.
    left: usize,
    /// The offset in the events' bytes at which the last sent fragment ends.
    from: usize,
}

impl Leaving {
    /// The next fragment, and whether more follow.
    fn next(&mut self) -> (WatchResponse, bool) {
        let Answer { message, cuts } = &self.answer;
        let cut = cuts.get(self.left).copied();
        let events: Bytes = message.events.slice(self.from..cut.unwrap_or(message.events.len()));
        self.from += events.len();
        self.left += 1;
        (WatchResponse { events, fragment: cut.is_some(), ..message.clone() }, cut.is_some())
    }
}

impl Stream for Answers {
    type Item = Result<WatchResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut leaving = match self.leaving.take() {
            Some(leaving) => leaving,
            None => match ready!(self.waiting.poll_recv(cx)) {
                Some(Ok(answer)) if answer.cuts.is_empty() => return Poll::Ready(Some(Ok(answer.message))),
                Some(Ok(answer)) => Leaving { answer, left: 0, from: 0 },
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => return Poll::Ready(None),
            },
        };
        let (message, more) = leaving.next();
        self.leaving = more.then_some(leaving);
        Poll::Ready(Some(Ok(message)))
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;

    use super::*;

    /// Sends one answer with events of these lengths. Returns, for each message that the client gets, the length of its
    /// events and whether another fragment follows.
    async fn left(lens: &[usize], fragment_bytes: usize) -> Vec<(usize, bool)> {
        let starts: Vec<usize> = lens.iter().scan(0, |at, len| Some(std::mem::replace(at, *at + len))).collect();
        let events = (0..lens.iter().sum()).map(|i| i as u8).collect::<Bytes>();
        let message = WatchResponse { watch_id: 7, events: events.clone(), ..WatchResponse::default() };
        let (outlet, answers) = answers();
        outlet.try_send(Ok(Answer::in_fragments(message, &starts, fragment_bytes))).expect("room");
        drop(outlet);
        let messages: Vec<WatchResponse> = answers.map(|m| m.expect("a message")).collect().await;
        assert!(messages.iter().all(|m| m.watch_id == 7));
        assert_eq!(messages.iter().flat_map(|m| m.events.to_vec()).collect::<Bytes>(), events);
        messages.iter().map(|m| (m.events.len(), m.fragment)).collect()
    }

    #[tokio::test]
    async fn a_fragment_ends_before_the_event_that_would_be_too_much() {
        assert_eq!(left(&[3, 3, 3], 10).await, [(9, false)]);
        assert_eq!(left(&[3, 3, 3, 3], 10).await, [(9, true), (3, false)]);
        assert_eq!(left(&[20, 3, 20], 10).await, [(20, true), (3, true), (20, false)]);
        assert_eq!(left(&[20], 10).await, [(20, false)]);
    }

    #[tokio::test]
    async fn an_answer_may_have_more_fragments_than_answers_may_wait() {
        let messages = left(&[10; 3 * ANSWERS_MAX], 10).await;
        assert_eq!(messages.len(), 3 * ANSWERS_MAX);
        assert_eq!(messages.iter().filter(|(_, more)| *more).count(), 3 * ANSWERS_MAX - 1);
    }
}

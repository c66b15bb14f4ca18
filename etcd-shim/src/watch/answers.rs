//! The answers of a stream that wait for its client to read.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use naxos_proto::etcd::twins::WatchResponse;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::Status;

/// Answers that may wait; then the watchers of the stream read history.
const ANSWERS_MAX: usize = 128;

/// Where the answers of a stream go.
pub(super) type Outlet = mpsc::Sender<Result<Answer, Status>>;

/// An answer, which may leave as several messages: all of them have room or none.
pub(super) struct Answer {
    message: WatchResponse,
    /// Where the events of each message but the last one end.
    cuts: Vec<usize>,
}

impl From<WatchResponse> for Answer {
    fn from(message: WatchResponse) -> Self {
        Self { message, cuts: Vec::new() }
    }
}

impl Answer {
    /// An answer with `events`, of which each begins at one of `starts`, in messages of `fragment_bytes` where its events
    /// allow: as etcd, a message ends before the event that would exceed them.
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

/// A channel of answers: where they go, and what the client gets.
pub(super) fn answers() -> (Outlet, Answers) {
    let (outlet, waiting) = mpsc::channel(ANSWERS_MAX);
    (outlet, Answers { waiting, leaving: None })
}

/// The answers of a stream.
pub struct Answers {
    waiting: mpsc::Receiver<Result<Answer, Status>>,
    leaving: Option<Leaving>,
}

/// An answer of which some messages have left.
struct Leaving {
    answer: Answer,
    /// Messages that have left, and where their events end.
    left: usize,
    from: usize,
}

impl Leaving {
    /// The next message, and whether more follow.
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

    /// What leaves of events of these lengths.
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
    async fn an_answer_leaves_in_messages_that_end_before_the_event_that_would_be_too_much() {
        assert_eq!(left(&[3, 3, 3], 10).await, [(9, false)]);
        assert_eq!(left(&[3, 3, 3, 3], 10).await, [(9, true), (3, false)]);
        assert_eq!(left(&[20, 3, 20], 10).await, [(20, true), (3, true), (20, false)]);
        assert_eq!(left(&[20], 10).await, [(20, false)]);
    }

    #[tokio::test]
    async fn an_answer_of_more_messages_than_may_wait_as_answers_leaves_as_any_other() {
        let messages = left(&[10; 3 * ANSWERS_MAX], 10).await;
        assert_eq!(messages.len(), 3 * ANSWERS_MAX);
        assert_eq!(messages.iter().filter(|(_, more)| *more).count(), 3 * ANSWERS_MAX - 1);
    }
}

//! [`LeaderRequired`]: the answers of a stream that ends when its member has no leader.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::HeaderMap;
use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;

use crate::state::EtcdError;

/// Whether a client wants its call refused, or ended, when the member has no leader (`clientv3.WithRequireLeader`).
/// kube-apiserver wants that of its watches: it goes to another member then, instead of waiting at one that is cut off.
pub(crate) fn wants_leader(metadata: &HeaderMap) -> bool {
    metadata.get("hasleader").is_some_and(|value| value == "true")
}

/// See the module.
pub(crate) struct LeaderRequired<S> {
    answers: S,
    /// Resolves when there is no leader. `None` if the client does not mind.
    lost: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl<S> LeaderRequired<S> {
    /// Ends `answers` when `lost` is cancelled.
    pub(crate) fn new(answers: S, lost: Option<CancellationToken>) -> Self {
        Self { answers, lost: lost.map(|lost| Box::pin(lost.cancelled_owned())) }
    }
}

impl<T, S: Stream<Item = Result<T, Status>> + Unpin> Stream for LeaderRequired<S> {
    type Item = Result<T, Status>;

    /// After the error for the lost leader, tonic takes no further answer.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(lost) = &mut self.lost
            && lost.as_mut().poll(cx).is_ready()
        {
            self.lost = None;
            return Poll::Ready(Some(Err(EtcdError::NoLeader.into())));
        }
        Pin::new(&mut self.answers).poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;

    use super::*;

    #[tokio::test]
    async fn only_a_stream_that_wants_a_leader_ends_without_one() {
        let lost = CancellationToken::new();
        let endless = || tokio_stream::iter((0..).map(Ok::<u32, Status>));
        let mut wants = LeaderRequired::new(endless(), Some(lost.clone()));
        let mut never_minds = LeaderRequired::new(endless(), None);
        assert_eq!(wants.next().await.expect("an answer").ok(), Some(0));
        lost.cancel();
        let status = wants.next().await.expect("an answer").expect_err("there is no leader");
        assert_eq!((status.code(), status.message()), (tonic::Code::Unavailable, "etcdserver: no leader"));
        assert_eq!(never_minds.next().await.expect("an answer").ok(), Some(0));
    }

    #[test]
    fn only_the_word_true_asks_for_a_leader() {
        for (value, wants) in [(None, false), (Some("true"), true), (Some("false"), false), (Some(""), false)] {
            let mut headers = HeaderMap::new();
            value.into_iter().for_each(|value| {
                headers.insert("hasleader", value.parse().expect("a value"));
            });
            assert_eq!(wants_leader(&headers), wants, "{value:?}");
        }
    }
}

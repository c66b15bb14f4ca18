//! [`LeaderRequired`]: the answers of a stream that ends when the [`Fence`] of its member goes up. If the client wants
//! a leader, the stream also ends when the member has no leader.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::HeaderMap;
use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;

use crate::backend::Fence;
use crate::state::EtcdError;

/// Whether a client wants its call refused, or ended, when the member has no leader (`clientv3.WithRequireLeader`).
/// kube-apiserver wants that of its watches: it goes to another member then, instead of waiting at one that is cut off.
pub(crate) fn wants_leader(metadata: &HeaderMap) -> bool {
    metadata.get("hasleader").is_some_and(|value| value == "true")
}

/// See the module.
pub(crate) struct LeaderRequired<S> {
    answers: S,
    /// Resolves when the stream has to end. `None` if it has ended.
    end: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    fence: Arc<Fence>,
}

impl<S> LeaderRequired<S> {
    /// Without `lost`, ends `answers` when the `fence` goes up. With `lost`, which is for clients that want a leader,
    /// ends them when `lost` is cancelled. So if the fence goes up later, `lost` must be cancelled, too.
    pub(crate) fn new(answers: S, lost: Option<CancellationToken>, fence: &Arc<Fence>) -> Self {
        // If the fence went up before the caller got `lost`, the fence does not cancel `lost`.
        let end = lost.filter(|_| !fence.is_up()).unwrap_or_else(|| fence.went_up());
        Self { answers, end: Some(Box::pin(end.cancelled_owned())), fence: Arc::clone(fence) }
    }
}

impl<T, S: Stream<Item = Result<T, Status>> + Unpin> Stream for LeaderRequired<S> {
    type Item = Result<T, Status>;

    /// After the error for the end, tonic takes no further answer.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(end) = &mut self.end
            && end.as_mut().poll(cx).is_ready()
        {
            self.end = None;
            let error = self.fence.check().err().unwrap_or(EtcdError::NoLeader);
            return Poll::Ready(Some(Err(error.into())));
        }
        Pin::new(&mut self.answers).poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::Lsn;
    use tokio_stream::StreamExt;

    use super::*;

    #[tokio::test]
    async fn only_a_stream_that_wants_a_leader_ends_without_one() {
        let (lost, fence) = (CancellationToken::new(), Arc::default());
        let endless = || tokio_stream::iter((0..).map(Ok::<u32, Status>));
        let mut wants = LeaderRequired::new(endless(), Some(lost.clone()), &fence);
        let mut never_minds = LeaderRequired::new(endless(), None, &fence);
        assert_eq!(wants.next().await.expect("an answer").ok(), Some(0));
        lost.cancel();
        let status = wants.next().await.expect("an answer").expect_err("there is no leader");
        assert_eq!((status.code(), status.message()), (tonic::Code::Unavailable, "etcdserver: no leader"));
        assert_eq!(never_minds.next().await.expect("an answer").ok(), Some(0));
    }

    #[tokio::test]
    async fn every_stream_ends_when_the_fence_goes_up() {
        let (lost, fence) = (CancellationToken::new(), Arc::<Fence>::default());
        let endless = || tokio_stream::iter((0..).map(Ok::<u32, Status>));
        let streams = [Some(lost.clone()), None].map(|lost| LeaderRequired::new(endless(), lost, &fence));
        fence.raise(Lsn(64));
        lost.cancel();
        for mut stream in streams {
            let status = stream.next().await.expect("an answer").expect_err("the fence is up");
            assert_eq!((status.code(), status.message()), (tonic::Code::DataLoss, "etcdserver: corrupt cluster"));
        }
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

//! [`Counted`]: the answers of a streaming call, which count the call when it ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio_stream::Stream;
use tonic::{Code, Status};

use crate::metrics::{Method, Metrics};

/// The answers of a streaming call. The call is counted once, with the code that its client gets. A client that leaves
/// before the end gets none; as in etcd, that is counted as a cancellation.
pub(crate) struct Counted<S> {
    answers: S,
    metrics: Arc<Metrics>,
    method: Method,
    has_ended: bool,
}

impl<S> Counted<S> {
    /// Counts the start of a call that gets `answers`.
    pub(crate) fn start(metrics: &Arc<Metrics>, method: Method, answers: S) -> Self {
        metrics.rpc(method).started();
        Self { answers, metrics: Arc::clone(metrics), method, has_ended: false }
    }

    fn end(&mut self, code: Code) {
        if !std::mem::replace(&mut self.has_ended, true) {
            self.metrics.rpc(self.method).handled(code);
        }
    }
}

impl<T, S: Stream<Item = Result<T, Status>> + Unpin> Stream for Counted<S> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(Pin::new(&mut self.answers).poll_next(cx));
        match &next {
            Some(Ok(_)) => {}
            Some(Err(status)) => self.end(status.code()),
            None => self.end(Code::Ok),
        }
        Poll::Ready(next)
    }
}

impl<S> Drop for Counted<S> {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;

    use super::*;
    use crate::config::{FeatureGates, MetricsLevel};

    /// Lets a client take this many of `answers` and then leave. Returns the codes with which the call was counted.
    async fn counted(answers: &[Result<(), Status>], taken: usize) -> Vec<String> {
        let metrics = Arc::new(Metrics::new(MetricsLevel::Basic, 1, &FeatureGates::default(), 0));
        let mut call = Counted::start(&metrics, Method::Watch, tokio_stream::iter(answers.to_vec()));
        for _ in 0..taken {
            call.next().await;
        }
        drop(call);
        let text = metrics.encode();
        let is_of_watch = |line: &&str| line.contains("grpc_method=\"Watch\"") && !line.ends_with(" 0");
        let lines = text.lines().filter_map(|line| line.strip_prefix("grpc_server_handled_total{grpc_code=\""));
        lines.filter(is_of_watch).map(|line| line.split('"').next().unwrap_or(line).to_owned()).collect()
    }

    #[tokio::test]
    async fn a_call_is_counted_once_with_the_code_that_its_client_gets() {
        let gone = Err(Status::unavailable("the server is stopping"));
        for (answers, taken, code) in [
            (vec![], 0, "Canceled"),
            (vec![Ok(())], 1, "Canceled"),
            (vec![Ok(())], 2, "OK"),
            (vec![Ok(()), gone.clone()], 1, "Canceled"),
            (vec![Ok(()), gone.clone()], 2, "Unavailable"),
            (vec![Ok(()), gone], 3, "Unavailable"),
        ] {
            assert_eq!(counted(&answers, taken).await, [code], "{answers:?}, of which {taken} were taken");
        }
    }
}

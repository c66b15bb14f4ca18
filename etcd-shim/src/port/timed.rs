//! A call that has a time-out of its own. It is given up when its time is over, even while its answer is being sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Response};
use http_body::Frame;
use naxos_proto::seams::{Clock, Instant};
use tonic::Status;
use tonic::body::Body;

use super::call_check::too_late;
use super::grpc_routes::GrpcFuture;

/// When a call is given up. Most calls are answered without waiting, so the timer is made only when a call has to wait.
pub(super) struct Deadline {
    clock: Arc<dyn Clock>,
    at: Instant,
    over: Option<BoxFuture<'static, ()>>,
}

impl Deadline {
    pub(super) fn new(clock: &Arc<dyn Clock>, timeout: Duration) -> Self {
        Self { clock: Arc::clone(clock), at: clock.now().after(timeout), over: None }
    }

    /// Ready when the time is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (clock, at) = (&self.clock, self.at);
        self.over.get_or_insert_with(|| clock.sleep_until(at)).as_mut().poll(cx)
    }
}

/// Waits for the answer to `call`, but not beyond `deadline`. The deadline also ends the body of the answer.
pub(super) fn within(mut call: GrpcFuture, mut deadline: Deadline) -> GrpcFuture {
    Box::pin(async move {
        let answer = std::future::poll_fn(|cx| match call.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => deadline.poll(cx).map(|()| None),
        })
        .await;
        match answer {
            Some(Ok(answer)) => Ok(timed(answer, deadline)),
            Some(Err(never)) => match never {},
            None => Ok(too_late().into_http()),
        }
    })
}

fn timed(answer: Response<Body>, deadline: Deadline) -> Response<Body> {
    if answer.headers().contains_key(Status::GRPC_STATUS) {
        // The status is in the headers already, so no body follows.
        return answer;
    }
    answer.map(|body| Body::new(TimedBody { body: Some(body), deadline }))
}

/// A body that ends when its time is over.
struct TimedBody {
    /// `None` after the deadline has ended it.
    body: Option<Body>,
    deadline: Deadline,
}

impl http_body::Body for TimedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        ready!(self.deadline.poll(cx));
        self.body = None;
        let mut trailers = HeaderMap::new();
        if let Err(broken) = too_late().add_header(&mut trailers) {
            return Poll::Ready(Some(Err(broken)));
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }
}

//! The frames that a stream sends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::StreamExt;
use futures::stream::{self, BoxStream, Stream};

use super::{Lane, Protocol};

/// The frames of one stream. The type has a name, because the compiler cannot follow a boxed stream through tonic's
/// generic clients.
pub(in crate::peer) struct Frames<P: Protocol>(BoxStream<'static, P::Calls>);

impl<P: Protocol> Stream for Frames<P> {
    type Item = P::Calls;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<P::Calls>> {
        self.0.poll_next_unpin(cx)
    }
}

/// The frames of stream number `stream`, until another stream begins or the lane ends. HTTP/2 asks for a frame when it
/// has room for one, so the calls that were queued meanwhile are in it together, up to `FRAME_BYTES`.
pub(in crate::peer) fn frames<P: Protocol>(lane: Arc<Lane<P>>, stream: u64) -> Frames<P> {
    let frames = stream::unfold(lane, move |lane| async move {
        let taken = lane.state.until(|state| match state.is_current(stream) {
            true => state.has_work().then(|| Some(state.take_frame())),
            false => Some(None),
        });
        let (hints, calls) = taken.await?;
        let frame = P::frame(lane.home.news.known(), hints, calls);
        Some((frame, lane))
    });
    Frames(frames.boxed())
}

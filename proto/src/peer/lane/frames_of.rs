//! [`frames_of`]: makes the frames of a stream from the calls of a lane.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream;

use super::{Frames, Lane, Protocol};

/// The frames of stream number `stream`, until another stream begins or the lane ends. HTTP/2 asks for a frame when it
/// has room for one, so the calls that were queued meanwhile are in it together, up to `FRAME_BYTES`.
pub(super) fn frames_of<P: Protocol>(lane: Arc<Lane<P>>, stream: u64) -> Frames<P::Calls> {
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

//! [`Frames`]: the frames that a stream sends.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::StreamExt;
use futures::stream::{BoxStream, Stream};

/// The frames of one stream, each a `C`. This is a type of its own, because the calls of tonic's generic clients do not
/// compile with a bare `BoxStream`.
pub(in crate::peer) struct Frames<C>(pub(super) BoxStream<'static, C>);

impl<C> Stream for Frames<C> {
    type Item = C;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<C>> {
        self.0.poll_next_unpin(cx)
    }
}

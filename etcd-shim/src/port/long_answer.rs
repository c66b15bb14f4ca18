//! Sends long answers in pieces.
//!
//! tonic encodes a message in one go: for a list of 160 MB it makes one buffer of 160 MB, while everything else on that
//! runtime waits, and HTTP/2 takes all of it at once. To avoid this, a long list is sent in two steps:
//!
//! 1. The service returns an empty message. Its extensions carry the [`Pieces`] of the real message.
//! 2. This module replaces the body of that answer with one that makes a piece whenever there is room for it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use naxos_proto::etcd::pieces::Pieces;
use naxos_proto::etcd::twins::RangeResponse;
use parking_lot::Mutex;
use prost::Message;
use tonic::body::Body;
use tonic::{Response, Status};

/// A message up to this length is sent as tonic does it, which costs less.
const SHORT_BYTES_MAX: usize = 512 << 10;

/// Holds the pieces on their way from the service to the connection.
#[derive(Clone)]
struct Parcel(Arc<Mutex<Option<Pieces>>>);

/// Returns a short answer unchanged. A long one becomes an answer that [`unpacked`] can send.
pub(crate) fn in_pieces(answer: Response<RangeResponse>) -> Response<RangeResponse> {
    if answer.get_ref().encoded_len() <= SHORT_BYTES_MAX {
        return answer;
    }
    let (metadata, message, mut extensions) = answer.into_parts();
    extensions.insert(Parcel(Arc::new(Mutex::new(Some(Pieces::of(message))))));
    Response::from_parts(metadata, RangeResponse::default(), extensions)
}

/// If an answer carries pieces, gives it the body that sends them.
pub(super) fn unpacked(mut answer: http::Response<Body>) -> http::Response<Body> {
    let Some(Parcel(pieces)) = answer.extensions_mut().remove() else { return answer };
    let Some(pieces) = pieces.lock().take() else { return answer };
    answer.map(|_| Body::new(LongBody { pieces, ended: false }))
}

/// The body of a long answer: its pieces, then the status.
struct LongBody {
    pieces: Pieces,
    /// Whether the status was sent.
    ended: bool,
}

impl http_body::Body for LongBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(piece) = self.pieces.next() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if std::mem::replace(&mut self.ended, true) {
            return Poll::Ready(None);
        }
        let mut trailers = HeaderMap::with_capacity(1);
        trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn list(pairs: usize) -> RangeResponse {
        RangeResponse { kvs: vec![Bytes::from(vec![7; 1_000]); pairs], count: 3, ..Default::default() }
    }

    #[tokio::test]
    async fn a_long_answer_leaves_in_pieces_and_ends_with_its_status() {
        let answer = in_pieces(Response::new(list(1_000)));
        assert_eq!(answer.get_ref(), &RangeResponse::default(), "tonic has nothing to encode");
        let mut sent = http::Response::new(Body::default());
        *sent.extensions_mut() = answer.into_parts().2;
        let mut body = unpacked(sent).into_body();
        let (mut bytes, mut frames) = (Vec::new(), 0);
        let trailers = loop {
            let frame = body.frame().await.expect("a status comes last").expect("nothing fails");
            match frame.into_data() {
                Ok(data) => {
                    frames += 1;
                    bytes.extend(data);
                }
                Err(frame) => break frame.into_trailers().expect("data or trailers"),
            }
        };
        assert!(body.frame().await.is_none());
        assert_eq!(trailers.get(Status::GRPC_STATUS).map(HeaderValue::as_bytes), Some(&b"0"[..]));
        assert!(frames > 60, "{frames} frames");
        assert_eq!(bytes[0], 0, "not compressed");
        assert_eq!(u32::from_be_bytes(bytes[1..5].try_into().expect("four bytes")) as usize, bytes.len() - 5);
        assert_eq!(RangeResponse::decode(&bytes[5..]).expect("a message"), list(1_000));
    }

    #[test]
    fn a_short_answer_leaves_as_it_is() {
        let answer = in_pieces(Response::new(list(500)));
        assert_eq!(answer.get_ref(), &list(500));
        assert!(answer.extensions().is_empty());
    }
}

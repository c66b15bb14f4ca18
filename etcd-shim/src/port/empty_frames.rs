//! Takes empty DATA frames out of what an HTTP/2 client sends.
//!
//! A client may end each message with an empty DATA frame; grpc-go's servers take any number of them. h2 counts them
//! for each stream and ends the connection at a fixed bound (`too_many_data_frames`). A frame that has neither bytes,
//! nor padding, nor the end of its stream, says nothing. So this module does not pass it on to h2.
//!
//! A frame (RFC 9113, 4.1) is length u24, type u8, flags u8, stream id u32, big-endian; then the payload. The bytes of
//! a connection that does not begin with HTTP/2's preface pass unchanged.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADER_BYTES: usize = 9;
/// Type of a DATA frame.
const DATA: u8 = 0;
/// The size of `WithoutEmptyFrames::queued`, into which bytes are read if the reader's buffer is too small. It has room
/// for the held bytes of a header and for as many new ones.
const OWN_BYTES: usize = 2 * HEADER_BYTES;
/// The flags END_STREAM and PADDED.
const MEANINGFUL_FLAGS: u8 = 0x1 | 0x8;

/// What the next byte of the client belongs to.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// The preface, of which this many bytes have come.
    Preface(usize),
    /// The header of a frame.
    Header,
    /// The payload of a frame, of which this many bytes are left.
    Payload(usize),
    /// Something that is not HTTP/2.
    Other,
}

/// Where in the client's bytes the filter is.
#[derive(Debug)]
struct Frames {
    place: Place,
    /// The first bytes of a header whose rest has not come yet.
    held: [u8; HEADER_BYTES],
    held_bytes: usize,
}

impl Frames {
    fn new() -> Self {
        Self { place: Place::Preface(0), held: [0; HEADER_BYTES], held_bytes: 0 }
    }

    /// Removes empty frames from `bytes`, which are the held bytes and the new bytes behind them. Holds the header at
    /// the end if it is not complete. Returns how many bytes are left. They are at the beginning of `bytes`.
    fn pass(&mut self, bytes: &mut [u8]) -> usize {
        let (mut from, mut to) = (0, 0);
        self.held_bytes = 0;
        while from < bytes.len() {
            let left = bytes.len() - from;
            let taken = match self.place {
                Place::Other => left,
                Place::Preface(come) => {
                    let is_next = bytes[from] == PREFACE[come];
                    self.place = match come + 1 {
                        _ if !is_next => Place::Other,
                        n if n == PREFACE.len() => Place::Header,
                        n => Place::Preface(n),
                    };
                    1
                }
                Place::Payload(wanted) => {
                    let taken = wanted.min(left);
                    self.place = if taken == wanted { Place::Header } else { Place::Payload(wanted - taken) };
                    taken
                }
                Place::Header if left < HEADER_BYTES => {
                    self.held[..left].copy_from_slice(&bytes[from..]);
                    self.held_bytes = left;
                    return to;
                }
                Place::Header => {
                    let header = &bytes[from..from + HEADER_BYTES];
                    let length = usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
                    if length == 0 && header[3] == DATA && header[4] & MEANINGFUL_FLAGS == 0 {
                        from += HEADER_BYTES;
                        continue;
                    }
                    self.place = if length == 0 { Place::Header } else { Place::Payload(length) };
                    HEADER_BYTES
                }
            };
            if from != to {
                bytes.copy_within(from..from + taken, to);
            }
            from += taken;
            to += taken;
        }
        to
    }
}

/// A connection without its empty DATA frames.
#[derive(Debug)]
pub(super) struct WithoutEmptyFrames<S> {
    stream: S,
    frames: Frames,
    /// Bytes for the reader that did not fit into its buffer.
    queued: [u8; OWN_BYTES],
    /// Which bytes of `queued` are still to be read.
    to_read: Range<usize>,
}

impl<S> WithoutEmptyFrames<S> {
    /// Filters `stream`, of which nothing was read yet.
    pub(super) fn new(stream: S) -> Self {
        Self { stream, frames: Frames::new(), queued: [0; OWN_BYTES], to_read: 0..0 }
    }

    /// Whether the client has sent enough to show if it speaks HTTP/2.
    pub(super) fn is_recognized(&self) -> bool {
        !matches!(self.frames.place, Place::Preface(_))
    }
}

/// Reads into `space` until it holds bytes for the reader. Returns their number; 0 means the end of the connection.
fn poll_pass<S: AsyncRead + Unpin>(
    stream: &mut S,
    frames: &mut Frames,
    cx: &mut Context<'_>,
    space: &mut [u8],
) -> Poll<io::Result<usize>> {
    loop {
        let held = frames.held_bytes;
        space[..held].copy_from_slice(&frames.held[..held]);
        let mut read = ReadBuf::new(&mut space[held..]);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut read))?;
        let come = read.filled().len();
        if come == 0 {
            // The client sends nothing more. If it ended in the middle of a header, the part that it sent is passed on.
            frames.held_bytes = 0;
            return Poll::Ready(Ok(held));
        }
        let left = frames.pass(&mut space[..held + come]);
        if left > 0 {
            return Poll::Ready(Ok(left));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WithoutEmptyFrames<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, frames, queued, to_read } = self.get_mut();
        if to_read.start == to_read.end && out.remaining() > HEADER_BYTES {
            let left = ready!(poll_pass(stream, frames, cx, out.initialize_unfilled()))?;
            out.advance(left);
            return Poll::Ready(Ok(()));
        }
        // The reader's buffer may have no room for the held part of a header and new bytes, so read into `queued`.
        if to_read.start == to_read.end && out.remaining() > 0 {
            *to_read = 0..ready!(poll_pass(stream, frames, cx, queued))?;
        }
        let end = to_read.end.min(to_read.start + out.remaining());
        out.put_slice(&queued[to_read.start..end]);
        to_read.start = end;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WithoutEmptyFrames<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// Lets `chunks` arrive one by one. Returns all bytes that a reader with a buffer of `buffer` bytes gets.
    fn read_all(chunks: &[&[u8]], buffer: usize) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let mut io = chunks_of(chunks);
            let mut filtered = WithoutEmptyFrames::new(&mut io);
            let (mut all, mut part) = (Vec::new(), vec![0; buffer]);
            loop {
                match filtered.read(&mut part).await.expect("a memory buffer is read") {
                    0 => return all,
                    n => all.extend_from_slice(&part[..n]),
                }
            }
        })
    }

    /// A reader that gives one chunk at a time.
    struct Chunks(std::collections::VecDeque<Vec<u8>>);

    fn chunks_of(chunks: &[&[u8]]) -> Chunks {
        Chunks(chunks.iter().filter(|c| !c.is_empty()).map(|c| c.to_vec()).collect())
    }

    impl AsyncRead for Chunks {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if let Some(mut chunk) = self.0.pop_front() {
                let rest = chunk.split_off(chunk.len().min(out.remaining()));
                out.put_slice(&chunk);
                if !rest.is_empty() {
                    self.0.push_front(rest);
                }
            }
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn empty_data_frames_are_left_out_and_all_others_pass() {
        let settings = frame(4, 0, &[]);
        let data = frame(DATA, 0, b"hello");
        let (end, padded) = (frame(DATA, 1, &[]), frame(DATA, 8, &[]));
        let empty = frame(DATA, 0, &[]);
        let sent = [PREFACE, &settings, &empty, &data, &empty, &empty, &padded, &end, &empty].concat();
        let expected = [PREFACE, &settings, &data, &padded, &end].concat();
        assert_eq!(read_all(&[&sent], 1_024), expected);
        assert_eq!(read_all(&[&sent], 1), expected);
        let http1 = [b"POST / HTTP/1.1\r\n\r\n", &empty[..]].concat();
        assert_eq!(read_all(&[&http1], 1_024), http1);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_are_cut(
            frames in prop::collection::vec((0..3_u8, 0..2_u8, 0..20_usize), 0..30),
            cuts in prop::collection::vec(0..600_usize, 0..20),
            buffer in 1..40_usize,
        ) {
            let (mut sent, mut expected) = (PREFACE.to_vec(), PREFACE.to_vec());
            for (kind, flags, length) in frames {
                let bytes = frame(kind, flags, &vec![7; length]);
                sent.extend_from_slice(&bytes);
                if kind != DATA || flags != 0 || length > 0 {
                    expected.extend_from_slice(&bytes);
                }
            }
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < sent.len()).chain([0, sent.len()]).collect();
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &sent[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read_all(&chunks, buffer), expected);
        }
    }
}

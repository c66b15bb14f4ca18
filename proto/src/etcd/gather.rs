//! Gathers the small writes of a connection into large ones.
//!
//! h2 puts frames one behind the other into a buffer and writes that as a whole, but hands a payload of 256 bytes or more to
//! a socket that takes several slices at once as a write of its own: eight answers of 300 bytes are then eight system calls
//! of some 6 us each. To a socket that takes one slice it copies payloads of up to 1 KiB. [`Gather`] says that it is one,
//! and joins what h2 then writes apart, a frame's head and its large payload.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Writes below this many bytes wait for the next one or the flush.
const SMALL_BYTES: usize = 4 << 10;
/// So many bytes wait at most.
const PENDING_BYTES_MAX: usize = 16 << 10;

/// A byte stream; see the module. Nothing waits longer than until the next flush.
#[derive(Debug)]
pub struct Gather<S> {
    inner: S,
    pending: BytesMut,
}

impl<S> Gather<S> {
    /// Gathers what is written to `inner`; what is read from it passes.
    pub fn new(inner: S) -> Self {
        Self { inner, pending: BytesMut::new() }
    }
}

impl<S: AsyncWrite + Unpin> Gather<S> {
    fn poll_write_pending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if bytes.len() < SMALL_BYTES && this.pending.len() + bytes.len() <= PENDING_BYTES_MAX {
            this.pending.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        while !this.pending.is_empty() {
            let both = [IoSlice::new(&this.pending), IoSlice::new(bytes)];
            let written = ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, &both))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let waited = this.pending.len();
            this.pending.advance(written.min(waited));
            if written > waited {
                return Poll::Ready(Ok(written - waited));
            }
        }
        Pin::new(&mut this.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_pending(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_pending(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gather<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, into)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Takes at most `at_once` bytes a write, then has none to give once; keeps what each write took.
    struct Narrow {
        at_once: usize,
        ready: bool,
        writes: Vec<Vec<u8>>,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.ready = !self.ready;
            if !self.ready {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let taken = bytes.len().min(self.at_once);
            self.writes.push(bytes[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let joined: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).collect();
            self.poll_write(cx, &joined)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    async fn written(at_once: usize, pieces: &[usize], flush_each: bool) -> Vec<Vec<u8>> {
        let mut gather = Gather::new(Narrow { at_once, ready: false, writes: Vec::new() });
        let mut next = 0_u8;
        let mut all = Vec::new();
        for len in pieces {
            let piece: Vec<u8> = (0..*len)
                .map(|_| {
                    next = next.wrapping_add(1);
                    next
                })
                .collect();
            gather.write_all(&piece).await.unwrap();
            all.extend(piece);
            if flush_each {
                gather.flush().await.unwrap();
            }
        }
        gather.shutdown().await.unwrap();
        assert_eq!(gather.inner.writes.concat(), all, "at most {at_once} bytes a write");
        gather.inner.writes
    }

    #[tokio::test]
    async fn every_byte_arrives_once_and_in_order_whatever_a_write_takes() {
        let pieces = [1, 4095, 9, 4096, 300, 70_000, 4000, 4000, 4000, 4000, 4000, 9];
        for at_once in [1, 7, 4095, 4096, 5000, 16_384, 100_000] {
            for flush_each in [false, true] {
                written(at_once, &pieces, flush_each).await;
            }
        }
    }

    #[tokio::test]
    async fn small_pieces_leave_with_what_follows_or_with_the_flush() {
        assert_eq!(written(1 << 20, &[300, 300, 300], false).await.len(), 1);
        assert_eq!(written(1 << 20, &[9, 16_384, 9], false).await.len(), 2, "a head goes with its payload");
        assert_eq!(written(1 << 20, &[300, 300], true).await.len(), 2);
    }

    #[tokio::test]
    async fn reads_pass() {
        let mut gather = Gather::new(&b"abc"[..]);
        let mut read = String::new();
        gather.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "abc");
    }
}

//! Gathers what a connection writes during one poll, and writes it together. Also limits how much a connection writes
//! before the other tasks of its thread run.
//!
//! h2 flushes its socket many times while it sends what its streams have: after every payload of 256 bytes or more, and
//! every 16 KiB. Eight answers of 300 bytes then take eight system calls of about 6 us each, and a list of 150 KiB
//! takes ten. With this module a flush waits until the connection has nothing more to do: [`Outlet::drive`] polls the
//! connection, and then writes the bytes that the connection has put into its [`Gather`].
//!
//! A connection with a long answer has more to do for as long as its client takes the bytes. That can be megabytes,
//! which are encrypted and passed to the kernel while all other tasks of that thread wait. So a connection writes in
//! turns of about [`TURN_BYTES_MAX`] bytes. Between two turns the runtime runs all other tasks that are ready, and
//! looks at its sockets.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::turn::Turn;

/// At most this many bytes wait for the end of a poll. If a write would exceed this, it goes to the stream immediately,
/// together with the bytes that wait.
const PENDING_BYTES_MAX: usize = 64 << 10;
/// A connection writes about this many bytes in one turn. Encrypting them takes half a millisecond.
const TURN_BYTES_MAX: usize = 512 << 10;
/// A buffer larger than this is freed when it is empty, because most connections are idle most of the time.
const PENDING_BYTES_KEPT: usize = 16 << 10;

/// Returns a stream for a connection to read and write, and the outlet that drives that connection.
pub(super) fn gather<S>(stream: S) -> (Gather<S>, Outlet<S>) {
    let shared = Arc::new(Mutex::new(Shared {
        stream,
        pending: BytesMut::new(),
        failed: None,
        turn: Turn::new(TURN_BYTES_MAX),
    }));
    (Gather(Arc::clone(&shared)), Outlet(shared))
}

/// The stream that the connection reads and writes.
#[derive(Debug)]
pub(super) struct Gather<S>(Arc<Mutex<Shared<S>>>);

/// Writes the bytes that the connection has put into its [`Gather`]. The lock is never contended, because the outlet
/// itself polls the connection.
#[derive(Debug)]
pub(super) struct Outlet<S>(Arc<Mutex<Shared<S>>>);

#[derive(Debug)]
struct Shared<S> {
    stream: S,
    pending: BytesMut,
    /// Why the outlet could not write. The connection gets this error at its next write or flush.
    failed: Option<io::Error>,
    /// How much the connection has written in its turn.
    turn: Turn,
}

impl<S: AsyncWrite + Unpin> Shared<S> {
    fn check(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Writes the pending bytes and then `behind`. Returns how many bytes of `behind` were written.
    fn poll_write_with(&mut self, cx: &mut Context<'_>, behind: &[u8]) -> Poll<io::Result<usize>> {
        while !self.pending.is_empty() {
            let both = [IoSlice::new(&self.pending), IoSlice::new(behind)];
            let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &both))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let waited = self.pending.len();
            self.pending.advance(written.min(waited));
            if self.pending.is_empty() && self.pending.capacity() > PENDING_BYTES_KEPT {
                self.pending = BytesMut::new();
            }
            if written > waited {
                return Poll::Ready(Ok(written - waited));
            }
        }
        match behind {
            [] => Poll::Ready(Ok(0)),
            behind => Pin::new(&mut self.stream).poll_write(cx, behind),
        }
    }

    fn poll_flush_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_with(cx, &[]))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl<S: AsyncWrite + Unpin> Outlet<S> {
    /// Looks at the stream.
    pub(super) fn look<T>(&self, look: impl FnOnce(&S) -> T) -> T {
        look(&self.0.lock().stream)
    }

    /// Polls `connection` to its end. The connection must write to this outlet's [`Gather`]; after each poll the outlet
    /// writes the bytes in it to the stream. When the connection ends, its last bytes are written only as far as the
    /// stream takes them without waiting. A connection that needs all of them written shuts the stream down first, as
    /// hyper does unless the other side is gone.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the connection may be driven again.
    pub(super) async fn drive<C: Future>(&self, mut connection: Pin<&mut C>) -> C::Output {
        poll_fn(|cx| {
            self.0.lock().turn.begin(cx);
            let polled = connection.as_mut().poll(cx);
            let shared = &mut *self.0.lock();
            shared.turn.end(cx);
            if let Poll::Ready(Err(error)) = shared.poll_flush_all(cx)
                && polled.is_pending()
            {
                shared.pending.clear();
                shared.failed = Some(error);
                cx.waker().wake_by_ref();
            }
            polled
        })
        .await
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let shared = &mut *self.0.lock();
        shared.check()?;
        if shared.turn.is_over() {
            // `Turn::end` arranges that the connection is woken for its next turn.
            return Poll::Pending;
        }
        let written = if shared.pending.len() + bytes.len() <= PENDING_BYTES_MAX {
            shared.pending.extend_from_slice(bytes);
            bytes.len()
        } else {
            ready!(shared.poll_write_with(cx, bytes))?
        };
        shared.turn.spend(written);
        Poll::Ready(Ok(written))
    }

    /// Writes nothing, because the outlet flushes. Only reports the error of the outlet, if there is one.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.lock().check())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shared = &mut *self.0.lock();
        shared.check()?;
        ready!(shared.poll_write_with(cx, &[]))?;
        Pin::new(&mut shared.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gather<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().stream).poll_read(cx, into)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::pin::pin;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A stream that keeps what is written, at most `at_once` bytes for each write. If `pauses` is set, it returns
    /// `Pending` once before each write that it takes. If `broken` is set, its writes fail.
    #[derive(Default)]
    struct Narrow {
        at_once: usize,
        pauses: bool,
        paused: bool,
        broken: bool,
        writes: Vec<Vec<u8>>,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            if self.broken {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            self.paused = self.pauses && !self.paused;
            if self.paused {
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
            let joined: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).take(self.at_once).collect();
            self.poll_write(cx, &joined)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn piece(len: usize, first: usize) -> Vec<u8> {
        (first..first + len).map(|at| (at % 251) as u8).collect()
    }

    /// The writes that reach the stream if a connection writes and flushes pieces of these lengths and yields after
    /// every `rests`th piece.
    async fn written(narrow: Narrow, pieces: &[usize], rests: usize) -> Vec<Vec<u8>> {
        let (mut gather, outlet) = gather(narrow);
        let connection = pin!(async {
            let mut at = 0;
            for (n, len) in pieces.iter().enumerate() {
                gather.write_all(&piece(*len, at)).await.unwrap();
                gather.flush().await.unwrap();
                at += len;
                if n % rests == rests - 1 {
                    tokio::task::yield_now().await;
                }
            }
            gather.shutdown().await.unwrap();
            at
        });
        let len = outlet.drive(connection).await;
        let writes = std::mem::take(&mut outlet.0.lock().stream.writes);
        assert_eq!(writes.concat(), piece(len, 0), "a rest after every {rests}th piece");
        writes
    }

    #[tokio::test]
    async fn every_byte_leaves_once_and_in_order_whatever_a_write_takes() {
        let pieces = [1, 4095, 9, 4096, 300, 170_000, 4000, 9, 16_384, 9, 16_384, 9, 16_384, 9, 16_384, 9];
        for at_once in [7, 4095, 5000, 65_536, 100_000] {
            for rests in [1, 2, 5, 100] {
                let writes = written(Narrow { at_once, pauses: true, ..Default::default() }, &pieces, rests).await;
                assert!(writes.iter().all(|w| w.len() <= at_once));
            }
        }
    }

    #[tokio::test]
    async fn what_is_flushed_in_one_poll_leaves_in_one_write() {
        let wide = || Narrow { at_once: 1 << 20, ..Default::default() };
        assert_eq!(written(wide(), &[300; 8], 8).await.len(), 1);
        assert_eq!(written(wide(), &[300; 8], 4).await.len(), 2);
        let list: Vec<usize> = [9, 16_384].repeat(8);
        assert_eq!(written(wide(), &list, list.len()).await.len(), 2, "64 KiB at a time, and the payload behind them");
    }

    #[tokio::test]
    async fn a_connection_that_always_has_more_to_write_leaves_others_their_turn() {
        const OTHERS: usize = 3;
        let (mut gather, outlet) = gather(Narrow { at_once: 1 << 20, ..Default::default() });
        let (turns, done) = (Cell::new(0), Cell::new(false));
        let connection = pin!(async {
            for at in 0..10 * TURN_BYTES_MAX / (16 << 10) {
                gather.write_all(&piece(16 << 10, at)).await.unwrap();
                gather.flush().await.unwrap();
            }
            done.set(true);
        });
        // Tasks that are always ready. Each of them must run between two turns.
        let other = async |ran: &Cell<usize>| {
            while !done.get() {
                ran.set(ran.get() + 1);
                tokio::task::yield_now().await;
            }
        };
        let ran: [Cell<usize>; OTHERS] = Default::default();
        let driven = async {
            let mut driven = pin!(outlet.drive(connection));
            poll_fn(|cx| {
                turns.set(turns.get() + 1);
                driven.as_mut().poll(cx)
            })
            .await;
        };
        tokio::join!(driven, other(&ran[0]), other(&ran[1]), other(&ran[2]));
        assert!(turns.get() >= 10, "{} turns", turns.get());
        assert!(ran.iter().all(|ran| ran.get() >= 9), "{ran:?}");
    }

    #[tokio::test]
    async fn the_end_of_a_connection_waits_for_nobody() {
        let (mut gather, outlet) = gather(Narrow { at_once: 100, pauses: true, paused: true, ..Default::default() });
        let connection = pin!(async { gather.write_all(&piece(300, 0)).await.unwrap() });
        outlet.drive(connection).await;
        assert_eq!(outlet.0.lock().stream.writes.concat(), piece(100, 0), "what the stream took at once");
    }

    #[tokio::test]
    async fn a_connection_learns_that_its_bytes_could_not_be_written() {
        let (mut gather, outlet) = gather(Narrow { broken: true, ..Default::default() });
        let connection = pin!(async {
            gather.write_all(b"lost").await.unwrap();
            gather.flush().await.unwrap();
            tokio::task::yield_now().await;
            gather.flush().await.unwrap_err().kind()
        });
        assert_eq!(outlet.drive(connection).await, io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn a_shutdown_writes_first_and_reads_pass() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let (mut gather, _outlet) = gather(near);
        far.write_all(b"question").await.unwrap();
        let mut question = [0; 8];
        gather.read_exact(&mut question).await.unwrap();
        gather.write_all(b"answer").await.unwrap();
        gather.shutdown().await.unwrap();
        let mut answer = String::new();
        far.read_to_string(&mut answer).await.unwrap();
        assert_eq!((&question, &answer[..]), (b"question", "answer"));
    }
}

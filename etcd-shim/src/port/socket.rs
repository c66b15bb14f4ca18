//! A byte stream that counts its bytes, and whose first byte can be looked at before it is read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use naxos_proto::seams::BoxConnection;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::metrics::ByteCounts;

/// The stream of one connection.
pub(super) struct Socket {
    inner: BoxConnection,
    first: Option<u8>,
    counts: Arc<ByteCounts>,
}

impl Socket {
    /// Wraps a connection that is registered with the runtime that serves it.
    pub(super) fn new(inner: BoxConnection, counts: Arc<ByteCounts>) -> Socket {
        Socket { inner, first: None, counts }
    }

    /// Waits for the first byte, and keeps it for the next read. `None` if the other side closed.
    pub(super) async fn peek(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        let count = self.inner.read(&mut byte).await?;
        self.counts.received(count);
        self.first = (count == 1).then_some(byte[0]);
        Ok(self.first)
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(byte) = self.first.take() {
            if buf.remaining() == 0 {
                self.first = Some(byte);
            } else {
                buf.put_slice(&[byte]);
            }
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.counts.received(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.inner).poll_write(cx, data))?;
        self.counts.sent(count);
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, data))?;
        self.counts.sent(count);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

//! [`serve`]: serves peers on connections that a listener or the simulator accepts.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::{self, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use crate::peer::limits::{
    CONNECTION_WINDOW_BYTES, KEEPALIVE_INTERVAL, KEEPALIVE_MAX, RESETS_MAX, STREAM_WINDOW_BYTES, STREAMS_MAX,
};
use crate::seams::{BoxConnection, Listener};

/// A connection in the form that tonic wants. tonic serves each connection in a task of its own, which ends only when
/// the connection ends. So this connection ends when `stop` is cancelled.
struct Incoming {
    connection: BoxConnection,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connected for Incoming {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Incoming {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.connection).poll_read(cx, into)
    }
}

impl AsyncWrite for Incoming {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

/// The connections that `listener` accepts. A connection that fails at once is passed over.
pub fn accepted(listener: Box<dyn Listener>) -> impl Stream<Item = BoxConnection> + Send {
    stream::unfold(listener, |mut listener| async move {
        let connection = listener.accept().await.and_then(|(accepted, _)| accepted.register());
        Some((connection, listener))
    })
    .filter_map(|connection| {
        if let Err(error) = &connection {
            tracing::warn!(%error, "a peer's connection was not accepted");
        }
        std::future::ready(connection.ok())
    })
}

/// Serves `routes` on `connections` until `stop`. All of it runs on the caller's runtime. Connections that are open at
/// the stop are closed, because a peer keeps its stream open for ever.
pub async fn serve(
    routes: Routes,
    connections: impl Stream<Item = BoxConnection> + Send,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let ends = stop.clone();
    let connections = connections.map(move |connection| {
        Ok::<_, io::Error>(Incoming { connection, stop: Box::pin(ends.clone().cancelled_owned()) })
    });
    let serving = Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        // While the network carries nothing, a peer gives up one heartbeat after the other. When the network works
        // again, all of them arrive together. With h2's own limit of 20, the connection would then be closed.
        .http2_max_pending_accept_reset_streams(Some(RESETS_MAX))
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_MAX))
        .add_routes(routes)
        .serve_with_incoming(connections);
    stop.run_until_cancelled(serving).await.unwrap_or(Ok(()))
}

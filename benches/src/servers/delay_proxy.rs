//! [`DelayProxy`]: stands between the members of a cluster and delays what they send.

#![expect(clippy::disallowed_methods, reason = "a tool's tasks: their failure ends a connection, not a node")]

use std::io;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use crate::pace::{self, PreciseTimer};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 64 << 10;

/// The most pieces that can be under way in one direction of a connection. When this number is reached, the sender has
/// to wait, as on a full network.
const PIECES_MAX: usize = 1024;

/// How long the proxy waits before it accepts again after a failure.
const AFTER_FAILURE: Duration = Duration::from_millis(10);

/// A piece of a stream, and when it may arrive.
type Piece = (Instant, Bytes);

/// A proxy on a loopback port. Each direction of each connection is delayed, and its bandwidth is not limited. The
/// opening of a connection is not delayed. Dropping this ends the proxy and its connections.
#[derive(Debug)]
pub struct DelayProxy {
    address: String,
    // Dropped to end the thread.
    _stop: oneshot::Sender<()>,
}

impl DelayProxy {
    /// Forwards to `to`, a `HOST:PORT`. Everything arrives `delay` later.
    pub fn start(to: String, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("a port for a proxy")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?.to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = pace::runtime()?;
        pace::thread("delay-proxy", move || {
            runtime.block_on(async {
                let accepting = accept(listener, to, delay);
                tokio::select! {
                    outcome = accepting => outcome,
                    _ = stopped => Ok(()),
                }
            })
        });
        Ok(Self { address, _stop: stop })
    }

    /// Where it listens: `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

async fn accept(listener: TcpListener, to: String, delay: Duration) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        match listener.accept().await {
            Ok((near, _)) => drop(tokio::spawn(forward(near, to.clone(), delay))),
            Err(_) => pace::pause(AFTER_FAILURE).await,
        }
    }
}

/// Forwards one connection until both sides have closed it, or until one direction fails. The client is not told of the
/// failure: it sees only that the connection is closed.
async fn forward(near: TcpStream, to: String, delay: Duration) -> io::Result<()> {
    let far = TcpStream::connect(to).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((near_out, near_in), (far_out, far_in)) = (near.into_split(), far.into_split());
    tokio::try_join!(one_way(near_out, far_in, delay), one_way(far_out, near_in, delay)).map(drop)
}

async fn one_way(from: OwnedReadHalf, to: OwnedWriteHalf, delay: Duration) -> io::Result<()> {
    let (pieces, arriving) = mpsc::channel(PIECES_MAX);
    tokio::try_join!(take(from, pieces, delay), give(arriving, to)).map(drop)
}

async fn take(mut from: OwnedReadHalf, pieces: mpsc::Sender<Piece>, delay: Duration) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(PIECE_BYTES);
        if from.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        // This fails only if `give` has failed. Then the whole connection ends anyway.
        let _ = pieces.send((pace::now() + delay, buffer.split().freeze())).await;
    }
}

async fn give(mut pieces: mpsc::Receiver<Piece>, mut to: OwnedWriteHalf) -> io::Result<()> {
    let timer = PreciseTimer::new()?;
    while let Some((due, piece)) = pieces.recv().await {
        timer.wait_until(due).await?;
        to.write_all(&piece).await?;
    }
    to.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_one_round_trip_later_and_whole() {
        let runtime = pace::runtime().expect("a runtime");
        runtime.block_on(async {
            let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let to = server.local_addr().expect("its address").to_string();
            let proxy = DelayProxy::start(to, Duration::from_millis(20)).expect("a proxy");
            let mut client = TcpStream::connect(proxy.address()).await.expect("the proxy accepts");
            let (mut answering, _) = server.accept().await.expect("the proxy connects");
            let begun = pace::now();
            client.write_all(b"question").await.expect("it is sent");
            let mut question = [0; 8];
            answering.read_exact(&mut question).await.expect("it arrives");
            answering.write_all(&question).await.expect("the answer is sent");
            answering.shutdown().await.expect("the answer ends");
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.expect("the answer arrives");
            assert_eq!(answer, b"question");
            assert!(begun.elapsed() >= Duration::from_millis(40), "{:?}", begun.elapsed());
        });
    }
}

//! One connection, from its first byte to its end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use naxos_proto::seams::Clock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::config::{ListenerConfig, PortConfig};
use super::dispatch::{Dispatch, Services};
use super::empty_frames::WithoutEmptyFrames;
use super::gather::gather;
use super::handoff::Handoff;
use super::peer::Peer;
use super::socket::Socket;
use crate::metrics::ByteCounts;

/// The longest time from the accepted socket to the end of the TLS handshake or, without TLS, to the first byte.
const HANDSHAKE_MAX: Duration = Duration::from_secs(30);
/// The longest time until a client has shown whether it speaks HTTP/1 or HTTP/2. It begins with the first byte or, with
/// TLS, at the end of the handshake. It is as long as [`HTTP1_HEADERS_MAX`], because the client has begun a request.
pub(super) const RECOGNITION_MAX: Duration = HTTP1_HEADERS_MAX;
/// The longest time that the headers of an HTTP/1 request may take to arrive. It begins when the connection is known to
/// be HTTP/1, and again after each answer. etcd has the same limit.
const HTTP1_HEADERS_MAX: Duration = Duration::from_secs(300);
/// Bytes that a client may send on one stream before we have read them. The largest request fits, unless
/// `--max-request-bytes` is above its default.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// Bytes that a client may send on one connection before we have read them.
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// Bytes of one stream's answer that may wait for the client to read them.
const SEND_BUFFER_BYTES: usize = 1 << 20;
/// The most bytes of one request's headers.
const HEADERS_MAX_BYTES: u32 = 64 << 10;
/// How many streams a client may cancel before we have looked at them: kube-apiserver cancels watches in bursts.
const PENDING_RESETS_MAX: usize = 1024;
/// The first byte of a TLS connection (record type handshake, RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What the connections of one runtime share.
pub(super) struct Shared {
    listeners: Vec<ListenerConfig>,
    tls: Option<TlsAcceptor>,
    http: auto::Builder<TokioExecutor>,
    services: Arc<Services>,
    counts: Arc<ByteCounts>,
    clock: Arc<dyn Clock>,
    /// Cancelled when the port closes: each connection then ends after its requests have ended.
    pub(super) closing: CancellationToken,
}

impl Shared {
    /// Makes what the connections of one runtime share.
    pub(super) fn new(
        config: &PortConfig,
        services: Services,
        counts: Arc<ByteCounts>,
        clock: Arc<dyn Clock>,
    ) -> Shared {
        Shared {
            listeners: config.listeners.clone(),
            tls: config.tls.clone().map(TlsAcceptor::from),
            http: http(config),
            services: Arc::new(services),
            counts,
            clock,
            closing: CancellationToken::new(),
        }
    }
}

/// hyper's settings.
fn http(config: &PortConfig) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // A client that has closed its sending side may still wait for the answer.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HTTP1_HEADERS_MAX).half_close(true);
    let mut http2 = builder.http2();
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.max_concurrent_streams)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_header_list_size(HEADERS_MAX_BYTES)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .auto_date_header(false);
    let pings = config.keepalive;
    if !pings.interval.is_zero() && !pings.timeout.is_zero() {
        http2.keep_alive_interval(pings.interval).keep_alive_timeout(pings.timeout);
    }
    builder
}

/// Serves a connection to its end.
pub(super) async fn serve(handoff: Handoff, shared: Arc<Shared>) {
    let Handoff { accepted, address, listener, hold: _hold } = handoff;
    let listener = &shared.listeners[listener];
    let mut peer = Peer { address, secure: false, certificates: Vec::new() };
    let opening = async {
        let mut socket = Socket::new(accepted.register()?, shared.counts.clone());
        let Some(first) = socket.peek().await? else { return Ok(None) };
        let secure = listener.secure && (first == TLS_HANDSHAKE || !listener.plain);
        match shared.tls.as_ref().filter(|_| secure) {
            Some(tls) => tls.accept(socket).await.map(|s| Some(Opened::Secure(Box::new(s)))),
            None => Ok(Some(Opened::Plain(socket))),
        }
    };
    let opened = tokio::select! {
        biased;
        () = shared.closing.cancelled() => return,
        opened = opening => opened,
        () = shared.clock.sleep(HANDSHAKE_MAX) => {
            Err(io::Error::new(io::ErrorKind::TimedOut, "no complete TLS handshake or first byte in time"))
        }
    };
    match opened {
        Ok(Some(Opened::Plain(socket))) => run(socket, peer, listener, &shared).await,
        Ok(Some(Opened::Secure(stream))) => {
            peer.secure = true;
            let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
            peer.certificates = certificates.iter().map(|c| c.clone().into_owned()).collect();
            run(*stream, peer, listener, &shared).await;
        }
        Ok(None) => {}
        Err(error) => rejected(&peer, &error),
    }
}

/// A connection after its first byte has shown whether it uses TLS, and after the handshake if it does.
enum Opened {
    Plain(Socket),
    Secure(Box<tokio_rustls::server::TlsStream<Socket>>),
}

/// Serves requests until the connection ends or the port closes.
pub(super) async fn run<I>(io: I, peer: Peer, listener: &ListenerConfig, shared: &Shared)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let remote = peer.address_text();
    let dispatch = Dispatch { services: shared.services.clone(), traffic: listener.traffic, peer: Arc::new(peer) };
    let (io, outlet) = gather(WithoutEmptyFrames::new(io));
    let mut connection = std::pin::pin!(shared.http.serve_connection(TokioIo::new(io), dispatch));
    let unrecognized = async {
        shared.clock.sleep(RECOGNITION_MAX).await;
        if outlet.look(WithoutEmptyFrames::is_recognized) {
            std::future::pending().await
        }
    };
    let end = tokio::select! {
        biased;
        end = outlet.drive(connection.as_mut()) => end,
        () = unrecognized => Err("the client did not show in time whether it speaks HTTP/1 or HTTP/2".into()),
        () = shared.closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            outlet.drive(connection).await
        }
    };
    if let Err(error) = end {
        tracing::debug!("remote-addr" = remote, error, "connection ended with an error");
    }
}

/// Logs a connection that failed before its first request. Connections that end in the middle of the handshake are
/// common (probes) and not worth a warning.
fn rejected(peer: &Peer, error: &io::Error) {
    let remote = peer.address_text();
    if error.kind() == io::ErrorKind::UnexpectedEof {
        tracing::debug!("remote-addr" = remote, "server-name" = "", %error, "rejected connection on client endpoint");
    } else {
        tracing::warn!("remote-addr" = remote, "server-name" = "", %error, "rejected connection on client endpoint");
    }
}

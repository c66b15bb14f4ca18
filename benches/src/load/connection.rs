//! One HTTP/2 connection, as a service for the generated clients.
//!
//! tonic's own `Channel` puts a buffer, time-outs and reconnection before the connection. The generator shares the
//! machine with the server, so it does without them; a broken connection is an error in the report. Requests that are
//! ready at the same time are sent in one write, as grpc-go does.

#![expect(clippy::disallowed_methods, reason = "a tool's task: its failure ends the run, not a node")]

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::{Context as _, Result};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tonic::body::Body;

/// A plain-text gRPC endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    address: String,
    origin: Uri,
}

impl Endpoint {
    /// The URI for `with_origin` of a generated client.
    pub fn origin(&self) -> Uri {
        self.origin.clone()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "http://{}", self.address)
    }
}

impl std::str::FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected http://HOST:PORT";
        let address = match text.split_once("://") {
            None => text,
            Some(("http", address)) => address,
            Some(_) => return Err(format!("the generator speaks plain http only: {expected}")),
        };
        let address = address.trim_end_matches('/').to_owned();
        let origin: Uri = format!("http://{address}").parse().map_err(|error| format!("{expected}: {error}"))?;
        match origin.port_u16() {
            Some(_) => Ok(Self { address, origin }),
            None => Err(expected.to_owned()),
        }
    }
}

/// A connection; clones share it.
#[derive(Debug, Clone)]
pub struct Connection {
    requests: SendRequest<Body>,
}

impl Connection {
    /// Connects. The connection belongs to the calling thread's runtime.
    pub async fn open(endpoint: &Endpoint) -> Result<Self> {
        let stream = TcpStream::connect(&endpoint.address).await.with_context(|| endpoint.address.clone())?;
        stream.set_nodelay(true)?;
        let stream = TokioIo::new(OneSlice(stream));
        let (requests, connection) =
            http2::handshake(TokioExecutor::new(), stream).await.context("HTTP/2 handshake")?;
        tokio::spawn(connection);
        Ok(Self { requests })
    }

    /// Whether the connection has ended: the server has closed it, or it broke.
    pub fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }
}

impl tower::Service<Request<Body>> for Connection {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.requests.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.requests.send_request(request))
    }
}

/// A socket that accepts only one slice in a write. If it accepted several, h2 would use a separate write for each
/// request of 256 bytes or more.
struct OneSlice(TcpStream);

impl AsyncRead for OneSlice {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl AsyncWrite for OneSlice {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_needs_a_port_and_plain_http() {
        assert!("http://127.0.0.1:2379".parse::<Endpoint>().is_ok());
        assert!("127.0.0.1:2379/".parse::<Endpoint>().is_ok());
        assert!("https://127.0.0.1:2379".parse::<Endpoint>().is_err());
        assert!("http://127.0.0.1".parse::<Endpoint>().is_err());
    }
}

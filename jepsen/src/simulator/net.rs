//! How the clients of a node use turmoil's network: a channel of tonic, and a plain HTTP request.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::transport::{Channel, Endpoint, Uri};

/// Time limit for connecting. Without it, connecting to a crashed host would hang until the host is back.
const CONNECT_MAX: Duration = Duration::from_millis(200);
/// Time between two pings. A partition of turmoil loses TCP segments, and they are never sent again. So only a ping can
/// find out that a connection is dead.
const PING_INTERVAL: Duration = Duration::from_millis(200);
/// How long a ping may take.
const PING_MAX: Duration = Duration::from_millis(300);

/// Sends a GET for `path` and returns the status of the answer.
///
/// # Errors
/// An error of the connection. `InvalidData` if the answer is not HTTP.
pub async fn http_status(host: &'static str, port: u16, path: &str) -> io::Result<u16> {
    let mut stream = turmoil::net::TcpStream::connect((host, port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let line = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{line:?} is no status line")))
}

/// A channel from a turmoil client to the first of `hosts`. It connects when it is first used. After each connection
/// that fails or breaks it goes on to the next host.
pub fn channel(hosts: Vec<&'static str>, port: u16) -> Channel {
    let next = Arc::new(AtomicUsize::new(0));
    let connector = tower::service_fn(move |_: Uri| {
        let host = hosts[next.fetch_add(1, Relaxed) % hosts.len()];
        async move {
            let stream = turmoil::net::TcpStream::connect((host, port)).await?;
            io::Result::Ok(TokioIo::new(stream))
        }
    });
    Endpoint::from_static("http://node")
        .connect_timeout(CONNECT_MAX)
        .http2_keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_MAX)
        .keep_alive_while_idle(true)
        .connect_with_connector_lazy(connector)
}

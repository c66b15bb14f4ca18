//! Sockets: listening, connecting and byte streams. TLS and HTTP are built on top.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

/// Where to listen or connect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// `host:port`; the host is a name or an address.
    Tcp(String),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(a) => f.write_str(a),
            Address::Unix(p) => write!(f, "unix:{}", p.display()),
        }
    }
}

/// The address of the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// A TCP peer.
    Tcp(SocketAddr),
    /// A Unix socket's peer.
    Unix,
}

/// A connected byte stream.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// A connection, owned.
pub type BoxConnection = Box<dyn Connection>;

/// Accepts connections.
pub trait Listener: Send {
    /// Waits for the next connection.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, no connection is lost.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Accepted, PeerAddress)>>;
    /// The address that was bound, with the real port if the requested one was 0.
    fn local(&self) -> Address;
}

/// An accepted connection. In production it is a plain socket that is not registered with any runtime, so it can be
/// passed to another runtime. Call [`Accepted::register`] on the runtime that will serve it.
pub enum Accepted {
    /// A TCP socket.
    Tcp(std::net::TcpStream),
    /// A Unix socket.
    Unix(std::os::unix::net::UnixStream),
    /// A connection of the simulator.
    Other(BoxConnection),
}

impl Accepted {
    /// Registers the connection with the current runtime.
    pub fn register(self) -> io::Result<BoxConnection> {
        Ok(match self {
            Accepted::Tcp(s) => Box::new(tokio::net::TcpStream::from_std(s)?),
            Accepted::Unix(s) => Box::new(tokio::net::UnixStream::from_std(s)?),
            Accepted::Other(c) => c,
        })
    }
}

/// Listens and connects.
pub trait Net: Send + Sync {
    /// Binds a listener.
    fn listen<'a>(&'a self, at: &'a Address) -> BoxFuture<'a, io::Result<Box<dyn Listener>>>;
    /// Connects. The caller sets the deadline.
    fn connect<'a>(&'a self, to: &'a Address) -> BoxFuture<'a, io::Result<BoxConnection>>;
}

/// How many TCP connections may wait to be accepted, as far as the system allows it. When a server comes back, all
/// nodes of a cluster connect at the same time.
const BACKLOG: i32 = 4_096;

/// Real sockets.
#[derive(Clone, Copy, Debug, Default)]
pub struct SocketNet;

struct TcpAccept(tokio::net::TcpListener);
struct UnixAccept {
    listener: tokio::net::UnixListener,
    path: PathBuf,
    /// Device and inode of the socket's file. `None` if the system did not report them.
    file: Option<(u64, u64)>,
}

/// Device and inode of the file at `path`.
fn file_id(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).ok().map(|m| (m.dev(), m.ino()))
}

impl UnixAccept {
    fn bind(path: &Path) -> io::Result<Self> {
        let listener = tokio::net::UnixListener::bind(path)?;
        Ok(Self { listener, path: path.to_owned(), file: file_id(path) })
    }
}

/// Removes the socket's file, unless another process now listens under that name.
impl Drop for UnixAccept {
    fn drop(&mut self) {
        if self.file.is_some() && file_id(&self.path) == self.file {
            // If the file cannot be removed, the next server that listens there removes it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Listener for TcpAccept {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Accepted, PeerAddress)>> {
        Box::pin(async {
            let (stream, peer) = self.0.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Accepted::Tcp(stream.into_std()?), PeerAddress::Tcp(peer)))
        })
    }

    fn local(&self) -> Address {
        Address::Tcp(self.0.local_addr().map(|a| a.to_string()).unwrap_or_default())
    }
}

impl Listener for UnixAccept {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Accepted, PeerAddress)>> {
        Box::pin(async {
            let (stream, _) = self.listener.accept().await?;
            Ok((Accepted::Unix(stream.into_std()?), PeerAddress::Unix))
        })
    }

    fn local(&self) -> Address {
        Address::Unix(self.path.clone())
    }
}

impl Net for SocketNet {
    fn listen<'a>(&'a self, at: &'a Address) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            Ok(match at {
                Address::Tcp(a) => {
                    let listener = tokio::net::TcpListener::bind(a).await?;
                    rustix::net::listen(&listener, BACKLOG)?;
                    Box::new(TcpAccept(listener)) as Box<dyn Listener>
                }
                Address::Unix(p) => Box::new(UnixAccept::bind(p)?),
            })
        })
    }

    fn connect<'a>(&'a self, to: &'a Address) -> BoxFuture<'a, io::Result<BoxConnection>> {
        Box::pin(async move {
            Ok(match to {
                Address::Tcp(a) => {
                    let s = tokio::net::TcpStream::connect(a).await?;
                    s.set_nodelay(true)?;
                    Box::new(s) as BoxConnection
                }
                Address::Unix(p) => Box::new(tokio::net::UnixStream::connect(p).await?),
            })
        })
    }
}

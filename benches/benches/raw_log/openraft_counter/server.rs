//! [`serve`]: answers the requests of other nodes.

use std::io;

use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::frame;
use super::request::Request;
use super::types::Raft;

/// Answers requests to a node until the call is dropped.
///
/// # Cancel safety
/// Dropping the call closes all connections.
pub(crate) async fn serve(listener: TcpListener, raft: Raft) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("connections are accepted");
        connections.spawn(answer(stream, raft.clone()));
    }
}

/// Answers the requests of one connection one after the other, until the connection ends. openraft has at most one
/// request on its way on a connection.
async fn answer(stream: TcpStream, raft: Raft) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        match frame::read::<Request>(&mut stream).await? {
            Request::Append(rpc) => frame::write(&mut stream, &raft.append_entries(rpc).await).await?,
            Request::Vote(rpc) => frame::write(&mut stream, &raft.vote(rpc).await).await?,
            Request::Snapshot(rpc) => frame::write(&mut stream, &raft.install_snapshot(rpc).await).await?,
        }
    }
}

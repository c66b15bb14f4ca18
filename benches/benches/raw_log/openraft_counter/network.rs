//! [`Network`]: a node's connection to one other node.

use std::io;

use openraft::BasicNode;
use openraft::error::{Infallible, InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetwork};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse, VoteRequest,
    VoteResponse,
};
use serde::de::DeserializeOwned;
use tokio::io::BufReader;
use tokio::net::TcpStream;

use super::frame;
use super::request::Request;
use super::types::TypeConfig;

/// Time between two attempts to reach a node that does not answer.
const BACKOFF: std::time::Duration = std::time::Duration::from_millis(100);

type Rpc<E> = RPCError<u64, BasicNode, RaftError<u64, E>>;

/// A connection to one node. It is opened for the first request and stays open.
pub(crate) struct Network {
    target: u64,
    address: String,
    stream: Option<BufReader<TcpStream>>,
}

async fn connect(address: &str) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

async fn exchange<T: DeserializeOwned>(stream: &mut BufReader<TcpStream>, request: &Request) -> io::Result<T> {
    frame::write(stream, request).await?;
    frame::read(stream).await
}

impl Network {
    /// Not connected yet.
    pub(crate) fn new(target: u64, address: String) -> Self {
        Self { target, address, stream: None }
    }

    /// Sends a request and returns its answer.
    ///
    /// # Cancel safety
    /// openraft drops a call that takes too long. The answer may still come, so the connection is closed: it is in
    /// `self` only between calls.
    async fn ask<T, E>(&mut self, request: Request) -> Result<T, Rpc<E>>
    where
        T: DeserializeOwned,
        E: std::error::Error + DeserializeOwned,
    {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(&self.address).await.map_err(|e| RPCError::Unreachable(Unreachable::new(&e)))?,
        };
        let answer = exchange::<Result<T, RaftError<u64, E>>>(&mut stream, &request).await;
        let answer = answer.map_err(|e| RPCError::Network(NetworkError::new(&e)))?;
        self.stream = Some(stream);
        answer.map_err(|e| RPCError::RemoteError(RemoteError::new(self.target, e)))
    }
}

impl RaftNetwork<TypeConfig> for Network {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Rpc<Infallible>> {
        self.ask(Request::Append(rpc)).await
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Rpc<InstallSnapshotError>> {
        self.ask(Request::Snapshot(rpc)).await
    }

    async fn vote(&mut self, rpc: VoteRequest<u64>, _option: RPCOption) -> Result<VoteResponse<u64>, Rpc<Infallible>> {
        self.ask(Request::Vote(rpc)).await
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(BACKOFF))
    }
}

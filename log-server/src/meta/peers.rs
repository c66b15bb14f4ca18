//! [`MetaPeers`]: how a replica reaches the others. openraft's network is built on top of it.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos_proto::ids::StorageId;
use openraft::error::{InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse, VoteRequest,
    VoteResponse,
};
use openraft::{AnyError, EmptyNode};
use serde::de::DeserializeOwned;

use crate::meta::codec::{decode, encode};
use crate::meta::request::Request;
use crate::meta::types::TypeConfig;

/// Time between two attempts to reach a peer that does not answer. openraft's default of 500 ms would delay a
/// fail-over.
const BACKOFF: std::time::Duration = std::time::Duration::from_millis(100);

/// Why a peer did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// The request was certainly not carried out.
    #[error("peer {0:?} did not carry out the request: {1}")]
    Unreachable(StorageId, String),
    /// The request may or may not have been carried out.
    #[error("no answer from peer {0:?}: {1}")]
    Unknown(StorageId, String),
}

/// Carries requests to other replicas, which answer them with [`MetaReplica::serve`](crate::meta::MetaReplica::serve).
pub trait MetaPeers: Send + Sync {
    /// Sends `request` to replica `to` and returns its answer. The implementation sets the deadline.
    fn call(&self, to: StorageId, request: Bytes) -> BoxFuture<'_, Result<Bytes, PeerError>>;
}

/// The peers of a replica that is the only one.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPeers;

impl MetaPeers for NoPeers {
    fn call(&self, to: StorageId, _request: Bytes) -> BoxFuture<'_, Result<Bytes, PeerError>> {
        Box::pin(async move { Err(PeerError::Unreachable(to, "this replica is alone".to_owned())) })
    }
}

/// Makes a [`Network`] for each peer.
pub(crate) struct Networks(pub(crate) Arc<dyn MetaPeers>);

/// openraft's connection to one peer.
pub(crate) struct Network {
    peers: Arc<dyn MetaPeers>,
    target: u64,
}

type Rpc<E> = RPCError<u64, EmptyNode, RaftError<u64, E>>;

impl RaftNetworkFactory<TypeConfig> for Networks {
    type Network = Network;

    async fn new_client(&mut self, target: u64, _node: &EmptyNode) -> Network {
        Network { peers: self.0.clone(), target }
    }
}

impl Network {
    async fn ask<T, E>(&self, request: Request) -> Result<T, Rpc<E>>
    where
        T: DeserializeOwned,
        E: std::error::Error + DeserializeOwned,
    {
        let answer = self.peers.call(StorageId(self.target), encode(&request)).await.map_err(|e| match e {
            PeerError::Unreachable(..) => RPCError::Unreachable(Unreachable::new(&e)),
            PeerError::Unknown(..) => RPCError::Network(NetworkError::new(&e)),
        })?;
        let answer = decode::<Result<T, RaftError<u64, E>>>(&answer);
        let answer = answer.map_err(|e| RPCError::Network(NetworkError::from(AnyError::new(&e))))?;
        answer.map_err(|e| RPCError::RemoteError(RemoteError::new(self.target, e)))
    }
}

impl RaftNetwork<TypeConfig> for Network {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Rpc<openraft::error::Infallible>> {
        self.ask(Request::Append(rpc)).await
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Rpc<InstallSnapshotError>> {
        self.ask(Request::Snapshot(rpc)).await
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<u64>,
        _option: RPCOption,
    ) -> Result<VoteResponse<u64>, Rpc<openraft::error::Infallible>> {
        self.ask(Request::Vote(rpc)).await
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(BACKOFF))
    }
}

//! Joining over gRPC. [`RemoteJoining`] calls, [`JoiningService`] serves.
//!
//! These calls have no envelope: a node whose data directory is new does not know the data directories of the others.
//! So a request for a seat has the id of the log among its own fields.

use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::contracts::{ClusterView, Join, JoinError, Joining};
use crate::ids::{LogId, MemberId, StorageId};
use crate::peer::Connector;
use crate::peer::generated as wire;
use crate::peer::generated::join_answer::Answer;
use crate::peer::generated::joining_client::JoiningClient;
use crate::peer::generated::joining_server::{Joining as Served, JoiningServer};
use crate::peer::limits::CALL_MAX;
use crate::peer::link::channel;
use crate::release::ClusterVersion;
use crate::seams::{Address, Clock};

/// Another node that knows the members and gives seats.
pub struct RemoteJoining {
    channel: Channel,
    clock: Arc<dyn Clock>,
}

impl RemoteJoining {
    /// The node that listens at `address`. Must be made on the runtime that is to carry the connection.
    pub fn new(clock: &Arc<dyn Clock>, address: Address, connector: Arc<dyn Connector>) -> Self {
        Self { channel: channel(clock, "seat.naxos", address, connector), clock: Arc::clone(clock) }
    }

    async fn answer(
        &self,
        call: impl Future<Output = Result<Response<wire::JoinAnswer>, Status>>,
    ) -> Result<ClusterView, JoinError> {
        let answer = tokio::select! {
            biased;
            answer = call => answer.map_err(|status| JoinError::Unreachable(status.message().to_owned()))?,
            () = self.clock.sleep(CALL_MAX) => return Err(JoinError::Unreachable("it takes too long".to_owned())),
        };
        match answer.into_inner().answer {
            Some(Answer::Cluster(cluster)) => Ok(cluster.into()),
            Some(Answer::NotYet(why)) => Err(JoinError::NotYet(why)),
            Some(Answer::Refused(why)) => Err(JoinError::Refused(why)),
            None => Err(JoinError::Unreachable("the answer is empty".to_owned())),
        }
    }
}

impl Joining for RemoteJoining {
    fn look(&self) -> BoxFuture<'_, Result<ClusterView, JoinError>> {
        let mut client = JoiningClient::new(self.channel.clone());
        Box::pin(async move { self.answer(client.look(wire::Nothing {})).await })
    }

    fn join(&self, join: Join) -> BoxFuture<'_, Result<ClusterView, JoinError>> {
        let mut client = JoiningClient::new(self.channel.clone());
        let message = wire::JoinRequest {
            log: join.log.0,
            member: join.member.0,
            storage: join.storage.0,
            understood: join.understood.0,
        };
        Box::pin(async move { self.answer(client.join(message)).await })
    }
}

/// Serves the members and seats of this cluster.
pub struct JoiningService {
    log: LogId,
    joining: Arc<dyn Joining>,
}

impl JoiningService {
    /// The gRPC service of `joining`, for the cluster of `log`.
    pub fn server(log: LogId, joining: Arc<dyn Joining>) -> JoiningServer<Self> {
        JoiningServer::new(Self { log, joining })
    }
}

fn told(answer: Result<ClusterView, JoinError>) -> Result<Response<wire::JoinAnswer>, Status> {
    let answer = match answer {
        Ok(cluster) => Answer::Cluster(cluster.into()),
        Err(JoinError::NotYet(why)) => Answer::NotYet(why),
        Err(JoinError::Refused(why)) => Answer::Refused(why),
        Err(JoinError::Unreachable(why)) => return Err(Status::unavailable(why)),
    };
    Ok(Response::new(wire::JoinAnswer { answer: Some(answer) }))
}

#[tonic::async_trait]
impl Served for JoiningService {
    async fn look(&self, _: Request<wire::Nothing>) -> Result<Response<wire::JoinAnswer>, Status> {
        told(self.joining.look().await)
    }

    async fn join(&self, request: Request<wire::JoinRequest>) -> Result<Response<wire::JoinAnswer>, Status> {
        let wire::JoinRequest { log, member, storage, understood } = request.into_inner();
        let join = Join {
            log: LogId(log),
            member: MemberId(member),
            storage: StorageId(storage),
            understood: ClusterVersion(understood).max(ClusterVersion::FIRST),
        };
        told(if join.log == self.log {
            self.joining.join(join).await
        } else {
            Err(JoinError::Refused(format!("expected the log {}, found {}", self.log, join.log)))
        })
    }
}

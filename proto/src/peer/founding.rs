//! The founding of a cluster over gRPC. [`RemoteFounding`] calls, [`FoundingService`] serves.
//!
//! These calls have no envelope: before the founding no node knows the log, nor the storage ids of the others. Instead
//! each message names the cluster and the seat that sends it, and a request also names the seat that is asked.

use std::sync::Arc;

use futures::future::BoxFuture;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::contracts::{Founding, FoundingAnswer, FoundingRequest, FoundingUnanswered};
use crate::peer::Connector;
use crate::peer::generated as wire;
use crate::peer::generated::founding_client::FoundingClient;
use crate::peer::generated::founding_server::{Founding as Served, FoundingServer};
use crate::peer::link::channel;
use crate::seams::{Address, Clock};

/// A listed seat on another node.
pub struct RemoteFounding {
    channel: Channel,
}

impl RemoteFounding {
    /// The seat that listens at `address`. Must be made on the runtime that is to carry the connection.
    pub fn new(clock: &Arc<dyn Clock>, address: Address, connector: Arc<dyn Connector>) -> Self {
        Self { channel: channel(clock, "seat.naxos", address, connector) }
    }
}

impl Founding for RemoteFounding {
    fn ask(&self, request: FoundingRequest) -> BoxFuture<'_, Result<FoundingAnswer, FoundingUnanswered>> {
        let mut client = FoundingClient::new(self.channel.clone());
        Box::pin(async move {
            let message = wire::FoundingMessage { bytes: request.encode() };
            let answer = client.ask(message).await.map_err(|status| FoundingUnanswered(status.message().to_owned()))?;
            FoundingAnswer::decode(answer.into_inner().bytes)
                .map_err(|error| FoundingUnanswered(format!("the seat's answer is broken: {error}")))
        })
    }
}

/// Serves the seat of this node.
pub struct FoundingService(Arc<dyn Founding>);

impl FoundingService {
    /// The gRPC service of `seat`.
    pub fn server(seat: Arc<dyn Founding>) -> FoundingServer<Self> {
        FoundingServer::new(Self(seat))
    }
}

#[tonic::async_trait]
impl Served for FoundingService {
    async fn ask(&self, request: Request<wire::FoundingMessage>) -> Result<Response<wire::FoundingMessage>, Status> {
        let request = FoundingRequest::decode(request.into_inner().bytes);
        let request = request.map_err(|error| Status::invalid_argument(error.to_string()))?;
        match self.0.ask(request).await {
            Ok(answer) => Ok(Response::new(wire::FoundingMessage { bytes: answer.encode() })),
            Err(unanswered) => Err(Status::unavailable(unanswered.to_string())),
        }
    }
}

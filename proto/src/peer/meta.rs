//! Requests between the replicas of the MetaStore. Their bytes belong to the replicas: this crate does not know which
//! consensus they run. [`RemoteReplica`] calls, [`MetaService`] serves.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

use crate::peer::generated as wire;
use crate::peer::generated::meta_client::MetaClient;
use crate::peer::generated::meta_server::{Meta, MetaServer};
use crate::peer::limits::{MESSAGE_BYTES_MAX, META_CALL_MAX};
use crate::peer::{Failure, Gate, Home, PeerLink};

/// A replica in this process that answers requests of others.
pub trait Replica: Send + Sync {
    /// Answers a request.
    fn serve(&self, request: Bytes) -> BoxFuture<'_, Result<Bytes, Failure>>;
}

/// A replica of another node.
#[derive(Clone)]
pub struct RemoteReplica {
    link: Arc<PeerLink>,
}

impl RemoteReplica {
    /// The replica of the peer of `link`.
    pub fn new(link: &Arc<PeerLink>) -> Self {
        Self { link: Arc::clone(link) }
    }

    /// Sends a request and waits for its answer, at most [`META_CALL_MAX`].
    pub async fn call(&self, request: Bytes) -> Result<Bytes, Failure> {
        let mut client = MetaClient::new(self.link.channel()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let request = self.link.request(wire::MetaRequest { request });
        match self.link.within(META_CALL_MAX, client.call(request)).await?.answer {
            Some(wire::meta_answer::Answer::Done(answer)) => Ok(answer),
            Some(wire::meta_answer::Answer::Failure(m)) if m.not_done => Err(Failure::NotDone(m.text)),
            Some(wire::meta_answer::Answer::Failure(m)) => Err(Failure::Lost(m.text)),
            None => Err(Failure::Lost("the replica's answer is broken".to_owned())),
        }
    }
}

/// Serves the replica of this process. A call that is not meant for this node does not reach it.
pub struct MetaService {
    home: Home,
    replica: Arc<dyn Replica>,
}

impl MetaService {
    /// The gRPC service of `replica`, behind the gate of the node `home`.
    pub fn server(home: &Home, replica: Arc<dyn Replica>) -> InterceptedService<MetaServer<Self>, Gate> {
        let server = MetaServer::new(Self { home: home.clone(), replica });
        InterceptedService::new(server.max_decoding_message_size(MESSAGE_BYTES_MAX), Gate::new(home))
    }
}

#[tonic::async_trait]
impl Meta for MetaService {
    async fn call(&self, request: Request<wire::MetaRequest>) -> Result<Response<wire::MetaAnswer>, Status> {
        let failure = |not_done, text| wire::meta_answer::Answer::Failure(wire::MetaFailure { not_done, text });
        let answer = match self.replica.serve(request.into_inner().request).await {
            Ok(answer) => wire::meta_answer::Answer::Done(answer),
            Err(Failure::Lost(text)) => failure(false, text),
            Err(not_done) => failure(true, not_done.to_string()),
        };
        Ok(self.home.answer(wire::MetaAnswer { answer: Some(answer) }))
    }
}

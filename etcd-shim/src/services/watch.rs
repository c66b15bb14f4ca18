//! `etcdserverpb.Watch`.

use std::sync::Arc;

use naxos_proto::etcd::server::etcdserverpb as pb;
use tokio_stream::StreamExt;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::Desk;
use super::counted::Counted;
use super::leader_required::LeaderRequired;
use crate::metrics::Method;
use crate::watch;

/// The service on one RPC runtime.
pub(crate) struct WatchService(pub(crate) Desk);

/// Watches for a caller within the process. The stream has one watcher.
pub(crate) fn watch_in_process(
    desk: &Desk,
    create: pb::WatchCreateRequest,
) -> Result<LeaderRequired<watch::Answers>, Status> {
    let backend = &desk.backend;
    backend.refuse_if_learner()?;
    backend.check_state()?;
    let request = pb::WatchRequest { request_union: Some(pb::watch_request::RequestUnion::CreateRequest(create)) };
    let requests = tokio_stream::once(Ok(request)).chain(tokio_stream::pending());
    let (hub, stop) = (Arc::clone(&desk.hub), desk.stop.clone());
    let answers = watch::serve(&backend.tasks, hub, backend.header(0), requests, stop, || ());
    Ok(LeaderRequired::new(answers, None, &backend.fence))
}

#[async_trait]
impl pb::watch_server::Watch for WatchService {
    type WatchStream = Counted<LeaderRequired<watch::Answers>>;

    async fn watch(&self, r: Request<Streaming<pb::WatchRequest>>) -> Result<Response<Self::WatchStream>, Status> {
        let backend = &self.0.backend;
        backend.refuse_if_learner()?;
        backend.check_state()?;
        backend.metrics.mvcc.watch_streams.inc();
        let metrics = Arc::clone(&backend.metrics);
        let ended = move || {
            metrics.mvcc.watch_streams.dec();
        };
        let header = backend.header(0);
        let (hub, stop) = (Arc::clone(&self.0.hub), self.0.stop.clone());
        let (metadata, _, requests) = r.into_parts();
        let answers = watch::serve(&backend.tasks, hub, header, requests, stop, ended);
        let answers = self.0.while_led(&metadata, answers);
        Ok(Response::new(Counted::start(&backend.metrics, Method::Watch, answers)))
    }
}

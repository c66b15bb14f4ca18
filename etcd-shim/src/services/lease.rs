//! `etcdserverpb.Lease`.

use naxos_proto::etcd::server::etcdserverpb as pb;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::Desk;
use super::counted::Counted;
use super::leader_required::LeaderRequired;
use crate::metrics::Method;
use crate::port::in_words_of_grpc_go;
use crate::state::{Answer, Command, EtcdError};

/// The longest time-to-live that etcd grants, in seconds.
const TTL_MAX: i64 = 9_000_000_000;
/// How many keep-alive answers may wait for the client to read them.
const ANSWERS_MAX: usize = 16;

/// The service on one RPC runtime.
#[derive(Clone)]
pub(crate) struct LeaseService(pub(crate) Desk);

impl LeaseService {
    /// The shortest time-to-live in whole seconds: one and a half election time-outs.
    fn ttl_min(&self) -> i64 {
        let millis = self.0.backend.config.election_timeout.as_millis() * 3 / 2;
        i64::try_from(millis.div_ceil(1_000)).unwrap_or(i64::MAX)
    }

    async fn do_grant(&self, mut r: pb::LeaseGrantRequest) -> Result<pb::LeaseGrantResponse, Status> {
        let backend = &self.0.backend;
        if r.ttl > TTL_MAX {
            return Err(EtcdError::LeaseTtlTooLarge.into());
        }
        r.ttl = r.ttl.max(self.ttl_min());
        while r.id == 0 {
            r.id = (backend.entropy.u64() >> 1).cast_signed();
        }
        backend.check_quota(&self.0.pending, 0).await?;
        let (answer, _) = backend.propose(&self.0.pending, Command::LeaseGrant(r)).await?;
        let Answer::Granted(mut answer) = answer else {
            return Err(Status::internal(format!("apply answered another request: {answer:?}")));
        };
        backend.metrics.lease.granted.inc();
        backend.complete(&mut answer.header);
        Ok(answer)
    }

    async fn do_revoke(&self, r: pb::LeaseRevokeRequest) -> Result<pb::LeaseRevokeResponse, Status> {
        let backend = &self.0.backend;
        let (_, revision) = backend.propose(&self.0.pending, Command::LeaseRevoke(r)).await?;
        backend.metrics.lease.revoked.inc();
        Ok(pb::LeaseRevokeResponse { header: Some(backend.header(revision)) })
    }

    async fn keep_alive(&self, id: i64) -> Result<pb::LeaseKeepAliveResponse, Status> {
        let backend = &self.0.backend;
        let header = Some(backend.header_now());
        // This tail check begins after the request has arrived. So it sees each revocation that was acknowledged before
        // the request.
        self.0.linearize().await?;
        let renewed = self.0.pending.deadlines.within(backend.renew_lease(id)).await;
        let ttl = renewed.ok_or(EtcdError::Timeout)??.unwrap_or(0);
        if ttl > 0 {
            backend.metrics.lease.renewed.inc();
        }
        Ok(pb::LeaseKeepAliveResponse { header, id, ttl })
    }

    async fn do_time_to_live(&self, r: pb::LeaseTimeToLiveRequest) -> Result<pb::LeaseTimeToLiveResponse, Status> {
        let backend = &self.0.backend;
        self.0.linearize().await?;
        let known = self.0.pending.deadlines.within(backend.lease_time(r.id)).await.ok_or(EtcdError::Timeout)??;
        let store = backend.store.read();
        let header = Some(backend.header(store.revision));
        let (Some((ttl, granted_ttl)), Some(lease)) = (known, store.leases.get(&r.id)) else {
            return Ok(pb::LeaseTimeToLiveResponse { header, id: r.id, ttl: -1, granted_ttl: 0, keys: Vec::new() });
        };
        let keys = if r.keys { lease.keys.iter().cloned().collect() } else { Vec::new() };
        Ok(pb::LeaseTimeToLiveResponse { header, id: r.id, ttl, granted_ttl, keys })
    }

    async fn do_leases(&self) -> Result<pb::LeaseLeasesResponse, Status> {
        let backend = &self.0.backend;
        self.0.linearize().await?;
        let leases = backend.keeper.by_deadline().into_iter().map(|id| pb::LeaseStatus { id }).collect();
        Ok(pb::LeaseLeasesResponse { header: Some(backend.header_now()), leases })
    }

    async fn keep_alive_always(
        self,
        mut requests: Streaming<pb::LeaseKeepAliveRequest>,
        answers: mpsc::Sender<Result<pb::LeaseKeepAliveResponse, Status>>,
    ) {
        loop {
            let request = tokio::select! {
                biased;
                () = self.0.stop.cancelled() => {
                    // If a client does not read, it finds the connection closed instead.
                    let _ = answers.try_send(Err(EtcdError::Stopped.into()));
                    return;
                }
                () = answers.closed() => return,
                request = requests.next() => request,
            };
            let request = match request {
                Some(Ok(request)) => request,
                Some(Err(broken)) => {
                    // A client that broke the stream off does not wait for the answer.
                    let _ = answers.try_send(Err(in_words_of_grpc_go(broken)));
                    return;
                }
                None => return,
            };
            let answer = tokio::select! {
                biased;
                () = self.0.stop.cancelled() => Err(EtcdError::Stopped.into()),
                answer = self.keep_alive(request.id) => answer,
            };
            let has_failed = answer.is_err();
            if answers.send(answer).await.is_err() || has_failed {
                return;
            }
        }
    }
}

#[async_trait]
impl pb::lease_server::Lease for LeaseService {
    type LeaseKeepAliveStream = Counted<LeaderRequired<ReceiverStream<Result<pb::LeaseKeepAliveResponse, Status>>>>;

    async fn lease_grant(&self, r: Request<pb::LeaseGrantRequest>) -> Result<Response<pb::LeaseGrantResponse>, Status> {
        self.0.unary(Method::LeaseGrant, self.do_grant(r.into_inner())).await
    }

    async fn lease_revoke(
        &self,
        r: Request<pb::LeaseRevokeRequest>,
    ) -> Result<Response<pb::LeaseRevokeResponse>, Status> {
        self.0.unary(Method::LeaseRevoke, self.do_revoke(r.into_inner())).await
    }

    async fn lease_keep_alive(
        &self,
        r: Request<Streaming<pb::LeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let backend = &self.0.backend;
        backend.refuse_if_learner()?;
        backend.check_state()?;
        let (tx, answers) = mpsc::channel(ANSWERS_MAX);
        let (metadata, _, requests) = r.into_parts();
        backend.tasks.start("keep-alive", self.clone().keep_alive_always(requests, tx));
        let answers = self.0.while_led(&metadata, ReceiverStream::new(answers));
        Ok(Response::new(Counted::start(&backend.metrics, Method::LeaseKeepAlive, answers)))
    }

    async fn lease_time_to_live(
        &self,
        r: Request<pb::LeaseTimeToLiveRequest>,
    ) -> Result<Response<pb::LeaseTimeToLiveResponse>, Status> {
        self.0.unary(Method::LeaseTimeToLive, self.do_time_to_live(r.into_inner())).await
    }

    async fn lease_leases(
        &self,
        _: Request<pb::LeaseLeasesRequest>,
    ) -> Result<Response<pb::LeaseLeasesResponse>, Status> {
        self.0.unary(Method::LeaseLeases, self.do_leases()).await
    }
}

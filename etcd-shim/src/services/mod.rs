//! etcd's gRPC services, one per file, and the service of `naxos ctl`.

pub(crate) mod auth;
pub(crate) mod cluster;
pub(crate) mod control;
mod counted;
pub(crate) mod kv;
mod leader_required;
pub(crate) mod lease;
pub(crate) mod maintenance;
mod member_checks;
pub(crate) mod own;
mod send_backup;
mod unit_statuses;
pub(crate) mod watch;

use std::future::Future;
use std::sync::Arc;

use naxos_engines::read_gate::ReadGate;
use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::{Code, Response, Status};

use self::leader_required::LeaderRequired;
pub(crate) use self::leader_required::wants_leader;
use crate::backend::{Backend, PendingRequests};
use crate::metrics::Method;
use crate::port::too_large_to_send;
use crate::state::kv::collect::ANSWER_BYTES_MAX;
use crate::watch::Hub;

/// What all services of one RPC runtime use.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) backend: Arc<Backend>,
    pub(crate) pending: Arc<PendingRequests>,
    pub(crate) gate: Arc<ReadGate>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) stop: CancellationToken,
}

impl Desk {
    /// Waits until everything that was acknowledged before the call is applied on this node.
    pub(crate) async fn linearize(&self) -> Result<(), Status> {
        self.backend.linearize(&self.gate, &self.pending.deadlines).await
    }

    /// Why the node answers no more.
    pub(crate) fn why_stopped(&self) -> String {
        self.backend.failure.why().unwrap_or("the node was stopped").to_owned()
    }

    /// The answers of a stream. They end when this member may serve nothing any more. They also end when there is no
    /// leader, if the client asks for that in its `metadata`.
    fn while_led<S>(&self, metadata: &MetadataMap, answers: S) -> LeaderRequired<S> {
        let lost = wants_leader(metadata.as_ref()).then(|| self.backend.leadership.lost());
        LeaderRequired::new(answers, lost, &self.backend.fence)
    }

    /// Refuses a call that this member does not serve in its present state.
    fn check_served(&self, method: Method) -> Result<(), Status> {
        // As in etcd, a member without a vote serves its status and serializable reads only.
        if !matches!(method, Method::Status | Method::Range) {
            self.backend.refuse_if_learner()?;
        }
        // A member whose state differs from that of the others still helps to find out why, turns off alarms, and moves
        // the sequencer.
        match method {
            Method::Status | Method::Alarm | Method::MoveLeader => Ok(()),
            Method::Hash | Method::HashKv => self.backend.check_applied(),
            _ => self.backend.check_state(),
        }
    }

    /// Runs a unary call and counts it. Refuses a call that this member does not serve in its present state. Logs a
    /// warning if the call was slow. An answer that is too large to send becomes an error.
    pub(crate) async fn unary<T: Message>(
        &self,
        method: Method,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<Response<T>, Status> {
        let counters = self.backend.metrics.rpc(method);
        counters.started();
        let began = self.backend.clock.now();
        let result = match self.check_served(method) {
            Ok(()) => call.await,
            Err(refused) => Err(refused),
        };
        let result = result.and_then(|answer| match answer.encoded_len() {
            bytes if bytes > ANSWER_BYTES_MAX => Err(too_large_to_send(bytes)),
            _ => Ok(answer),
        });
        let took = self.backend.clock.now().since(began);
        if counters.wants_time() {
            counters.took(took);
        }
        let slow = self.backend.config.warning_unary_request_duration;
        if !slow.is_zero() && took > slow {
            let labels = method.labels();
            tracing::warn!(
                took = ?took,
                response_type = %format!("/{}/{}", labels.0, labels.1),
                code = result.as_ref().err().map_or(Code::Ok as i32, |e| e.code() as i32),
                "request stats"
            );
        }
        counters.handled(result.as_ref().err().map_or(Code::Ok, Status::code));
        result.map(Response::new)
    }
}

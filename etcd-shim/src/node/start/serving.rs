//! The last step: the node serves.

use std::sync::Arc;
use std::time::Duration;

use naxos_engines::ProposeError;
use naxos_proto::contracts::Refusal;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::seams::{Worker, start};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::stacked::Stacked;
use super::start_error::StartError;
use crate::backend::{Backend, PendingRequests, cause};
use crate::config::ClusterState;
use crate::node::attempts::Attempts;
use crate::node::serve::serve;
use crate::node::{Node, gauges, ids, upkeep, versions};
use crate::state::Command;

/// The time between two attempts to announce a member.
const TRY_AGAIN: Duration = Duration::from_millis(100);

impl Stacked {
    /// Announces the node in the log, then starts to serve clients.
    pub(super) async fn serve(self, worker: &dyn Worker) -> Result<Node, StartError> {
        let Stacked { bound, stops, mut workers, rings, backend, log_server, reconciler, comparison } = self;
        // A node that is alone has nobody to wait for.
        let is_alone = backend.roster.seats.borrow().len() == 1;
        workers.push(start(worker, "control", stops.running.clone(), {
            let (backend, lock) = (Arc::clone(&backend), log_server.lock());
            |stop| async move {
                let _lock = lock;
                upkeep::run(backend, reconciler, comparison, stop).await;
            }
        }));
        announce(&backend, is_alone, &stops.running).await?;
        gauges::install(&backend);
        let (port, desk) = serve(bound, &backend, rings, &stops);
        tracing::info!("ready to serve client requests");
        Ok(Node { port, stops, workers, log_server, backend, desk })
    }
}

/// Writes this member's name and URLs into the log, unless the log has them already. If the cluster is new and has
/// several members, first writes the list of all members. Also writes which cluster version this process understands.
/// If this node has to be the keeper of leases, also makes it the keeper. All of this must be done before clients are
/// served.
async fn announce(backend: &Arc<Backend>, is_alone: bool, stop: &CancellationToken) -> Result<(), StartError> {
    let pending = PendingRequests::new(Arc::clone(&backend.deadlines));
    let dispatch = Arc::clone(&pending.replies).dispatch(|| backend.stack.flush(), stop.child_token());
    let urls = |urls: &[crate::config::Url]| urls.iter().map(ToString::to_string).collect::<Vec<_>>();
    let config = &backend.config;
    let members = backend.store.read().members.clone();
    let known = members.get(&backend.member_id).cloned();
    let others = config.cluster.members.len() > 1 && members.is_empty() && config.cluster.state == ClusterState::New;
    let listed = others.then(|| {
        let member = |(name, peer_urls): (&String, &Vec<crate::config::Url>)| pb::Member {
            id: ids::member_id(peer_urls, &config.cluster.token),
            name: name.clone(),
            peer_ur_ls: urls(peer_urls),
            ..pb::Member::default()
        };
        pb::MemberListResponse { header: None, members: config.cluster.members.iter().map(member).collect() }
    });
    let member = pb::Member {
        id: backend.member_id,
        name: config.name.clone(),
        peer_ur_ls: known.as_ref().map_or_else(|| urls(&config.advertise_peer_urls), |m| m.peer_ur_ls.clone()),
        client_ur_ls: urls(&config.advertise_client_urls),
        is_learner: known.as_ref().is_some_and(|member| member.is_learner),
    };
    let announced = async || {
        if let Some(listed) = &listed {
            backend.propose(&pending, Command::Begin(listed.clone())).await?;
        }
        if known.as_ref() != Some(&member) {
            backend.propose(&pending, Command::Publish(member.clone())).await?;
        }
        versions::announce(backend, &pending).await?;
        upkeep::take_office(backend, &pending).await
    };
    let work = async {
        let mut attempts = Attempts::new(&*backend.clock);
        loop {
            // All of it may be repeated. So it is tried again if the log was reconfigured meanwhile and an outcome is
            // unknown, or if this node cannot take a proposal now, for example because its own disk is full.
            match announced().await {
                Err(error) if may_pass(&error) && !is_alone => {
                    let tell = || tracing::info!(error = error.message(), "waiting until this member is announced");
                    attempts.pause(TRY_AGAIN, tell).await;
                }
                done => return done,
            }
        }
    };
    tokio::select! {
        biased;
        done = work => done.map_err(|e| StartError::Announce(e.message().to_owned())),
        () = dispatch => Err(StartError::Announce("the node is stopping".to_owned())),
    }
}

/// Whether a refusal may pass by itself.
fn may_pass(refusal: &Status) -> bool {
    let is_busy = matches!(cause(refusal), Some(ProposeError::Refused(Refusal::Overloaded)));
    is_busy || matches!(refusal.code(), Code::Unavailable | Code::ResourceExhausted)
}

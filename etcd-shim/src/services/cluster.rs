//! `etcdserverpb.Cluster`: the members, and changes of them. A change is a command in the log; everything else follows it
//! (`node::cluster::Reconciler`).

use std::time::Duration;

use naxos_client::failure::NodeState;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::ids::{MemberId, StorageId};
use naxos_proto::loglet_roles::LogletRoles;
use naxos_proto::role::Role;
use tonic::{Request, Response, Status, async_trait};

use super::Desk;
use super::member_checks::{Standing, Standings, may_add, may_promote, may_remove};
use crate::backend::{Backend, META_VOTERS_MAX};
use crate::config::Url;
use crate::metrics::Method;
use crate::state::{Command, EtcdError};

/// A learner may be promoted when it has applied this much of what this member has, in percent.
const READY_PERCENT: u64 = 90;

/// How long the answer to a change waits at most until the change has taken effect. etcdctl waits for 5 s.
const EFFECT_MAX: Duration = Duration::from_secs(3);
/// The time between two checks whether the change has taken effect.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The service on one RPC runtime.
pub(crate) struct ClusterService(pub(crate) Desk);

/// Checks peer URLs as etcd does, and sorts them.
fn checked(urls: &[String]) -> Result<Vec<String>, EtcdError> {
    let read: Result<Vec<Url>, String> = urls.iter().map(|url| Url::parse(url)).collect();
    let mut urls: Vec<String> = read.map_err(|_| EtcdError::MemberBadUrls)?.iter().map(ToString::to_string).collect();
    urls.sort();
    if urls.is_empty() { Err(EtcdError::MemberBadUrls) } else { Ok(urls) }
}

impl ClusterService {
    /// The data directory of a member.
    fn seat(&self, member: u64) -> Option<StorageId> {
        self.0.backend.roster.seats.borrow().get(&MemberId(member)).copied()
    }

    fn standings(&self) -> Standings {
        let backend = &self.0.backend;
        let nodes = backend.nodes.borrow().clone();
        let state = |id: &u64| self.seat(*id).and_then(|storage| nodes.get(&storage).copied());
        // A log server or a sequencer replays no log, so it cannot publish its name. It has started if it has a seat.
        let is_seated = |id: &u64| self.seat(*id).is_some_and(|storage| !Role::of(storage).has_state());
        let standing = |member: &pb::Member| Standing {
            is_learner: member.is_learner,
            is_started: !member.name.is_empty() || is_seated(&member.id),
            is_alive: state(&member.id).and_then(NodeState::alive).is_some(),
            is_settled: self.seat(member.id).is_some_and(|storage| backend.is_settled(storage)),
        };
        backend.store.read().members.iter().map(|(id, member)| (*id, standing(member))).collect()
    }

    /// Refuses a change that could cost the quorum, unless the flags switch this check off.
    fn check_quorum(&self, check: impl FnOnce(&Standings) -> Result<(), EtcdError>) -> Result<(), EtcdError> {
        if self.0.backend.config.cluster.strict_reconfig_check { check(&self.standings()) } else { Ok(()) }
    }

    async fn change(&self, command: Command) -> Result<(), Status> {
        self.0.backend.propose(&self.0.pending, command).await.map(drop)
    }

    /// Waits until a change of the members has taken effect, as it has in etcd when the answer comes: until then, the
    /// loss of one more member could stop the cluster. Waits for at most [`EFFECT_MAX`]: the change is committed
    /// already, so the answer is the same whether or not it has taken effect.
    async fn wait_for_effect(&self, has_effect: impl Fn(&Backend) -> bool) {
        let backend = &self.0.backend;
        let began = backend.clock.now();
        while !has_effect(backend) && backend.clock.now().since(began) < EFFECT_MAX {
            backend.clock.sleep(LOOK_EVERY).await;
        }
    }

    fn members(&self) -> Vec<pb::Member> {
        self.0.backend.store.read().members.values().cloned().collect()
    }

    async fn do_list(&self, r: pb::MemberListRequest) -> Result<pb::MemberListResponse, Status> {
        if r.linearizable {
            self.0.linearize().await?;
        }
        Ok(pb::MemberListResponse { header: Some(self.0.backend.header(0)), members: self.members() })
    }

    async fn do_add(&self, r: pb::MemberAddRequest) -> Result<pb::MemberAddResponse, Status> {
        let (backend, is_learner) = (&self.0.backend, r.is_learner);
        let peer_ur_ls = checked(&r.peer_ur_ls)?;
        if backend.config.listen_peer_urls.is_empty() {
            return Err(Status::failed_precondition(
                "naxos: no other member can reach this one, because the program has opened its store without \
                 `.peers(own, urls)`: expected that call with the peer URL of this member",
            ));
        }
        self.0.linearize().await?;
        self.check_quorum(|members| may_add(members, is_learner))?;
        let member = pb::Member { id: backend.entropy.id(), peer_ur_ls, is_learner, ..pb::Member::default() };
        let learners_max = backend.config.cluster.learners_max;
        self.change(Command::AddMember { member: member.clone(), learners_max }).await?;
        tracing::info!(member_id = %MemberId(member.id), urls = ?member.peer_ur_ls, is_learner, "added member");
        let (header, members) = (Some(backend.header(0)), self.members());
        Ok(pb::MemberAddResponse { header, member: Some(member), members })
    }

    async fn do_remove(&self, r: pb::MemberRemoveRequest) -> Result<pb::MemberRemoveResponse, Status> {
        self.0.linearize().await?;
        if !self.0.backend.store.read().members.contains_key(&r.id) {
            return Err(EtcdError::MemberNotFound.into());
        }
        self.check_quorum(|members| may_remove(members, r.id))?;
        let (member, from) = (MemberId(r.id), self.seat(r.id));
        self.change(Command::RemoveMember { member, from }).await?;
        if let Some(from) = from {
            self.wait_for_effect(|backend| !depends_on(backend, from)).await;
        }
        tracing::info!(member_id = %member, "removed member");
        Ok(pb::MemberRemoveResponse { header: Some(self.0.backend.header(0)), members: self.members() })
    }

    async fn do_update(&self, r: pb::MemberUpdateRequest) -> Result<pb::MemberUpdateResponse, Status> {
        let peer_ur_ls = checked(&r.peer_ur_ls)?;
        self.change(Command::UpdateMember(pb::MemberUpdateRequest { id: r.id, peer_ur_ls })).await?;
        Ok(pb::MemberUpdateResponse { header: Some(self.0.backend.header(0)), members: self.members() })
    }

    async fn do_promote(&self, r: pb::MemberPromoteRequest) -> Result<pb::MemberPromoteResponse, Status> {
        let backend = &self.0.backend;
        self.0.linearize().await?;
        let is_learner = backend.store.read().members.get(&r.id).map(|member| member.is_learner);
        if !is_learner.ok_or(EtcdError::MemberNotFound)? {
            return Err(EtcdError::MemberNotLearner.into());
        }
        self.check_quorum(may_promote)?;
        let heard = self.seat(r.id).and_then(|storage| (backend.roster.heard)(storage));
        let needed = backend.reader.applied().0 / 100 * READY_PERCENT;
        if heard.is_none_or(|beat| beat.applied.0 < needed) {
            return Err(EtcdError::LearnerNotReady.into());
        }
        let promoted = self.seat(r.id);
        self.change(Command::PromoteMember(r)).await?;
        if let Some(storage) = promoted.filter(|storage| Role::of(*storage).has_unit()) {
            self.wait_for_effect(|backend| votes_as_wanted(backend, storage)).await;
        }
        Ok(pb::MemberPromoteResponse { header: Some(backend.header(0)), members: self.members() })
    }
}

/// Whether the loss of `storage` could still cost a quorum: it votes in the MetaStore, or the log is written to its unit.
fn depends_on(backend: &Backend, storage: StorageId) -> bool {
    let (_, chain) = backend.log.chain();
    let has_unit = LogletRoles::of(&chain.active().params).is_ok_and(|roles| roles.units.contains(&storage));
    has_unit || backend.meta.voters().contains(&storage)
}

/// Whether the new voting member `storage` votes in the MetaStore, or does not because enough others do. One of two
/// members is enough (`docs/protocol.md`, cluster 16).
fn votes_as_wanted(backend: &Backend, storage: StorageId) -> bool {
    let voters = backend.meta.voters();
    let voting = backend.store.read().members.values().filter(|member| !member.is_learner).count();
    voters.contains(&storage) || voters.len() >= META_VOTERS_MAX || voting <= 2
}

#[async_trait]
impl pb::cluster_server::Cluster for ClusterService {
    async fn member_list(&self, r: Request<pb::MemberListRequest>) -> Result<Response<pb::MemberListResponse>, Status> {
        self.0.unary(Method::MemberList, self.do_list(r.into_inner())).await
    }

    async fn member_add(&self, r: Request<pb::MemberAddRequest>) -> Result<Response<pb::MemberAddResponse>, Status> {
        self.0.unary(Method::MemberAdd, self.do_add(r.into_inner())).await
    }

    async fn member_remove(
        &self,
        r: Request<pb::MemberRemoveRequest>,
    ) -> Result<Response<pb::MemberRemoveResponse>, Status> {
        self.0.unary(Method::MemberRemove, self.do_remove(r.into_inner())).await
    }

    async fn member_update(
        &self,
        r: Request<pb::MemberUpdateRequest>,
    ) -> Result<Response<pb::MemberUpdateResponse>, Status> {
        self.0.unary(Method::MemberUpdate, self.do_update(r.into_inner())).await
    }

    async fn member_promote(
        &self,
        r: Request<pb::MemberPromoteRequest>,
    ) -> Result<Response<pb::MemberPromoteResponse>, Status> {
        self.0.unary(Method::MemberPromote, self.do_promote(r.into_inner())).await
    }
}

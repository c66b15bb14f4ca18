//! `naxos.control.v1.Control`: the calls of `naxos ctl`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use naxos_client::failure::NodeState;
use naxos_engines::observer::{Observed, Spread};
use naxos_engines::stack::EngineStatus;
use naxos_engines::view_tracking::PROGRAMS;
use naxos_proto::chain::{self, LogletKind};
use naxos_proto::control as pb;
use naxos_proto::ids::MemberId;
use naxos_proto::loglet_roles::LogletRoles;
use naxos_proto::release::{ClusterVersion, IS_NEXT_RELEASE};
use naxos_proto::role::Role;
use tonic::{Request, Response, Status, async_trait};

use super::Desk;
use super::unit_statuses::unit_statuses;
use crate::state::EtcdError;
use crate::version;

/// The service on one RPC runtime.
pub(crate) struct ControlService(pub(crate) Desk);

fn segment(s: &chain::Segment) -> pb::Segment {
    let segment = pb::Segment {
        loglet_id: s.params.id.ordinal,
        kind: s.params.kind.to_string(),
        start: s.start.0,
        end: s.end.map(|e| e.0),
        ..pb::Segment::default()
    };
    // Only native and Corfu loglets have units and a sequencer to show.
    let Ok(roles) = LogletRoles::of(&s.params) else { return segment };
    pb::Segment {
        units: roles.units.iter().map(|u| u.0).collect(),
        write_quorum: u32::try_from(roles.write_quorum).expect("a loglet has few units"),
        sequencer_node: roles.sequencer.storage.0,
        sequencer_boot: roles.sequencer.boot.0,
        ..segment
    }
}

/// What the Observer has measured of an engine. `None` if nothing.
fn times(observed: &Observed) -> Option<pb::EngineTimes> {
    let (propose, apply) = (observed.propose.spread(), observed.apply.spread());
    if propose.count() + apply.count() == 0 {
        return None;
    }
    let micros = |spread: &Spread, q| {
        spread.quantile(q).map_or(0, |duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    };
    Some(pb::EngineTimes {
        proposals: propose.count(),
        propose_p50_us: micros(&propose, 0.5),
        propose_p99_us: micros(&propose, 0.99),
        applied: apply.count(),
        apply_p50_us: micros(&apply, 0.5),
        apply_p99_us: micros(&apply, 0.99),
        in_flight: observed.in_flight(),
    })
}

fn engine(status: &EngineStatus, observed: &[Arc<Observed>]) -> pb::Engine {
    let state = match (status.switchable, status.enabled) {
        (false, _) => pb::EngineState::Always,
        (true, true) => pb::EngineState::On,
        (true, false) => pb::EngineState::Off,
    };
    pb::Engine {
        id: status.id.0.into(),
        name: status.name.to_owned(),
        state: state.into(),
        since: status.since.0,
        about: status.summary.to_owned(),
        times: observed.iter().find(|observed| observed.engine == status.name).and_then(|observed| times(observed)),
    }
}

impl ControlService {
    /// The kind of loglet with this name. `None` if no kind was asked for.
    fn kind(&self, name: &str) -> Result<Option<LogletKind>, Status> {
        let kind = match name {
            "" => return Ok(None),
            "native" => LogletKind::NATIVE,
            "corfu" => LogletKind::CORFU,
            "next" if IS_NEXT_RELEASE => LogletKind::NEXT,
            // The log of a node must outlive its process, and only loglets on storage units do.
            other => {
                let text = format!("unknown kind of loglet {other:?}: expected \"native\" or \"corfu\"");
                return Err(Status::invalid_argument(text));
            }
        };
        let version = self.0.backend.store.version_now();
        if !kind.may_begin_at(version) {
            return Err(Status::failed_precondition(format!(
                "the cluster has version {version}, in which there are no {name:?} loglets: a member may run a program that \
                 does not know them"
            )));
        }
        Ok(Some(kind))
    }

    fn problems(&self) -> Vec<String> {
        let backend = &self.0.backend;
        let mut problems: Vec<String> = backend.fence.problem().into_iter().chain(backend.write_problem()).collect();
        if !backend.store.read().alarms.is_empty() {
            problems.push("an alarm is on: see `etcdctl alarm list`".to_owned());
        }
        if backend.leader().is_none() {
            problems.push("there is no leader: too few members answer, see `naxos ctl members`".to_owned());
        }
        if backend.reader.is_behind() {
            problems.push("checkpoints cannot keep up with writes".to_owned());
        }
        problems
    }
}

#[async_trait]
impl pb::control_server::Control for ControlService {
    async fn chain(&self, _: Request<pb::ChainRequest>) -> Result<Response<pb::ChainResponse>, Status> {
        let backend = &self.0.backend;
        let (version, chain) = backend.log.chain();
        Ok(Response::new(pb::ChainResponse {
            log_id: chain.log.0,
            version: version.0,
            trim_point: backend.stack.trim_point().0,
            tail: backend.log_tail().0,
            segments: chain.segments.iter().map(segment).collect(),
        }))
    }

    async fn reconfigure(
        &self,
        r: Request<pb::ReconfigureRequest>,
    ) -> Result<Response<pb::ReconfigureResponse>, Status> {
        let kind = self.kind(&r.into_inner().kind)?;
        let log = Arc::clone(&self.0.backend.log);
        let changed = self.0.backend.tasks.finish("reconfigure", async move { log.reconfigure(kind).await });
        let done = changed.await.ok_or(EtcdError::Stopped)?;
        let done = done.map_err(|e| Status::unavailable(format!("the log was not reconfigured: {e}")))?;
        let segments = &done.chain.segments;
        Ok(Response::new(pb::ReconfigureResponse {
            sealed: segments.len().checked_sub(2).map(|i| segment(&segments[i])),
            active: Some(segment(done.chain.active())),
            version: done.version.0,
            pause_us: u64::try_from(done.pause.as_micros()).unwrap_or(u64::MAX),
        }))
    }

    async fn engines(&self, _: Request<pb::EnginesRequest>) -> Result<Response<pb::EnginesResponse>, Status> {
        let stack = &self.0.backend.stack;
        let engines = stack.engines().iter().map(|status| engine(status, stack.observed())).collect();
        Ok(Response::new(pb::EnginesResponse { engines }))
    }

    async fn set_engine(&self, r: Request<pb::SetEngineRequest>) -> Result<Response<pb::SetEngineResponse>, Status> {
        let r = r.into_inner();
        let stack = &self.0.backend.stack;
        let find = || stack.engines().into_iter().find(|e| e.name == r.name);
        let known = find().ok_or_else(|| {
            let names: Vec<_> = stack.engines().iter().map(|e| e.name).collect();
            Status::not_found(format!("no engine {:?}: expected one of {}", r.name, names.join(", ")))
        })?;
        self.0.backend.switch(&self.0.pending, known.id, r.on).await?;
        let now = find().expect("engines do not vanish");
        Ok(Response::new(pb::SetEngineResponse { engine: Some(engine(&now, stack.observed())) }))
    }

    async fn members(&self, _: Request<pb::MembersRequest>) -> Result<Response<pb::MembersResponse>, Status> {
        let backend = &self.0.backend;
        let (_, chain) = backend.log.chain();
        let active = LogletRoles::of(&chain.active().params).ok();
        let (voters, leader) = (backend.meta.voters(), backend.meta.leader());
        let (seats, nodes) = (backend.roster.seats.borrow().clone(), backend.nodes.borrow().clone());
        let applied = backend.reader.applied().0;
        let status = |id: u64, name: String, is_learner: bool| {
            let Some(seat) = seats.get(&MemberId(id)).copied() else {
                return pb::MemberStatus { member_id: id, name, is_learner, ..pb::MemberStatus::default() };
            };
            let state = match nodes.get(&seat) {
                Some(NodeState::Alive(_)) => pb::NodeState::Alive,
                Some(NodeState::Hung(_)) => pb::NodeState::Hung,
                Some(NodeState::Starting | NodeState::Silent) | None => pb::NodeState::Silent,
            };
            let is_here = seat == backend.incarnation.storage;
            let heard = || (backend.roster.heard)(seat).map(|beat| beat.applied.0);
            pb::MemberStatus {
                member_id: id,
                name,
                storage_id: seat.0,
                state: state.into(),
                is_learner,
                has_sequencer: active.as_ref().is_some_and(|active| active.sequencer.storage == seat),
                holds_log: active.as_ref().is_some_and(|active| active.units.contains(&seat)),
                votes: voters.contains(&seat),
                leads_metadata: leader == Some(seat),
                // A log server or a sequencer replays no log.
                applied: if is_here { Some(applied) } else { heard().filter(|_| Role::of(seat).has_state()) },
                needs_from: backend.stack.view().cursor_of(seat).map(|at| at.0),
            }
        };
        let members: Vec<_> = backend.store.read().members.values().cloned().collect();
        Ok(Response::new(pb::MembersResponse {
            applied,
            trim_point: backend.stack.trim_point().0,
            programs_need_from: backend.stack.view().cursor_of(PROGRAMS).map(|at| at.0),
            members: members.into_iter().map(|member| status(member.id, member.name, member.is_learner)).collect(),
        }))
    }

    async fn units(&self, _: Request<pb::UnitsRequest>) -> Result<Response<pb::UnitsResponse>, Status> {
        Ok(Response::new(unit_statuses(&self.0.backend).await))
    }

    async fn status(&self, _: Request<pb::StatusRequest>) -> Result<Response<pb::StatusResponse>, Status> {
        let backend = &self.0.backend;
        let (version, chain) = backend.log.chain();
        let uptime = backend.clock.now().since(backend.started);
        let usage = backend.unit.disk_usage();
        let unsigned = |n: i64| u64::try_from(n).unwrap_or(0);
        // Count the watchers before the store is locked: the hub's lock comes first (`docs/design.md`, section 6).
        let watchers = self.0.hub.watchers() as u64;
        let store = {
            let store = backend.store.read();
            pb::StoreStatus {
                revision: unsigned(store.revision),
                compact_revision: unsigned(store.compacted),
                keys: store.keys.weight() as u64,
                leases: store.leases.len() as u64,
                watchers,
                checkpoint: backend.reader.persisted().0,
            }
        };
        Ok(Response::new(pb::StatusResponse {
            naxos_version: version::NAXOS.to_owned(),
            etcd_version: version::ETCD.to_owned(),
            cluster_id: backend.roster.cluster,
            member_id: backend.member_id,
            name: backend.config.name.clone(),
            boot: backend.incarnation.boot.0,
            uptime_ms: u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
            log: Some(pb::LogStatus {
                trim_point: backend.stack.trim_point().0,
                applied: backend.reader.applied().0,
                tail: backend.log_tail().0,
                chain_version: version.0,
                active_kind: chain.active().params.kind.to_string(),
            }),
            store: Some(store),
            disk: Some(pb::DiskStatus {
                journal_bytes: usage.bytes,
                checkpoint_bytes: backend.reader.file_bytes(),
                free_bytes: backend.free_bytes.load(Ordering::Relaxed),
                reserve_bytes: backend.reserve_bytes,
                state: match (backend.unit.poisoned(), backend.write_problem()) {
                    (Some(_), _) => "poisoned",
                    (None, Some(_)) => "full",
                    (None, None) => "writable",
                }
                .to_owned(),
            }),
            problems: self.problems(),
            cluster_version: backend.store.version_now().0,
            cluster_version_max: ClusterVersion::NEWEST.0,
        }))
    }
}

//! `etcdserverpb.Maintenance`.

use std::sync::Arc;

use naxos_client::SharedLog;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::server::etcdserverpb::alarm_request::AlarmAction;
use naxos_proto::ids::MemberId;
use naxos_proto::role::Role;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, async_trait};

use super::Desk;
use super::counted::Counted;
use super::leader_required::LeaderRequired;
use super::send_backup::send_backup;
use crate::metrics::Method;
use crate::state::kv::hash::hash_kv;
use crate::state::{Answer, Command, EtcdError};
use crate::version;

/// The service on one RPC runtime.
pub(crate) struct MaintenanceService(pub(crate) Desk);

impl MaintenanceService {
    async fn do_alarm(&self, r: pb::AlarmRequest) -> Result<pb::AlarmResponse, Status> {
        let backend = &self.0.backend;
        let alarms = if r.action == AlarmAction::Get as i32 {
            // The alarms of all members, as in etcd.
            let store = backend.store.read();
            let all = store.alarms.iter().filter(|(_, alarm)| r.alarm == 0 || r.alarm == *alarm);
            all.map(|(member_id, alarm)| pb::AlarmMember { member_id: *member_id, alarm: *alarm }).collect()
        } else {
            match backend.propose(&self.0.pending, Command::Alarm(r)).await? {
                (Answer::Alarms(alarms), _) => alarms,
                other => return Err(Status::internal(format!("apply answered another request: {other:?}"))),
            }
        };
        Ok(pb::AlarmResponse { header: Some(backend.header_now()), alarms })
    }

    async fn do_status(&self) -> Result<pb::StatusResponse, Status> {
        let backend = &self.0.backend;
        let store = backend.store.read();
        // As in etcd, an alarm is shown in protobuf's text format. This format leaves out a member id of zero, and
        // shows an unknown type of alarm as a number.
        let alarm = |(member, alarm): &(u64, i32)| {
            let member = if *member == 0 { String::new() } else { format!("memberID:{member} ") };
            let name =
                pb::AlarmType::try_from(*alarm).map_or_else(|_| alarm.to_string(), |a| a.as_str_name().to_owned());
            format!("{member}alarm:{name} ")
        };
        let applied = backend.reader.applied().0;
        let leader = backend.leader();
        let no_leader = leader.is_none().then(|| EtcdError::NoLeader.text().to_owned());
        Ok(pb::StatusResponse {
            header: Some(backend.header(store.revision)),
            version: version::ETCD.to_owned(),
            db_size: i64::try_from(backend.reader.file_bytes()).unwrap_or(i64::MAX),
            leader: leader.map_or(0, |member| member.0),
            raft_index: backend.log_tail().0,
            raft_term: backend.log.ordinal(),
            raft_applied_index: applied,
            errors: no_leader.into_iter().chain(store.alarms.iter().map(alarm)).collect(),
            db_size_in_use: store.bytes_in_use(),
            is_learner: backend.is_learner(),
            storage_version: version::ETCD_STORAGE.to_owned(),
            db_size_quota: backend.quota().unwrap_or(0),
            downgrade_info: Some(pb::DowngradeInfo::default()),
        })
    }

    /// Moves the sequencer of the log. As in etcd, only the leader does it. A leader that is only a sequencer serves no
    /// clients: then any member does it.
    async fn do_move_leader(&self, r: pb::MoveLeaderRequest) -> Result<pb::MoveLeaderResponse, Status> {
        let backend = &self.0.backend;
        let leader = backend.leader().ok_or(EtcdError::NoLeader)?.0;
        let seats = backend.roster.seats.borrow().clone();
        let serves_clients = seats.get(&MemberId(leader)).is_none_or(|storage| Role::of(*storage).has_state());
        if leader != backend.member_id && serves_clients {
            return Err(EtcdError::NotLeader.into());
        }
        let votes = backend.store.read().members.get(&r.target_id).is_some_and(|member| !member.is_learner);
        let seat = seats.get(&MemberId(r.target_id)).copied().filter(|storage| Role::of(*storage).has_sequencer());
        let target = seat.filter(|_| votes).ok_or(EtcdError::BadLeaderTransferee)?;
        if r.target_id != leader {
            let log = Arc::clone(&backend.log);
            let moved = backend.tasks.finish("move-leader", async move { log.move_sequencer(target).await });
            let moved = moved.await.ok_or(EtcdError::Stopped)?;
            moved.map_err(|e| Status::unavailable(format!("etcdserver: the leader was not moved: {e}")))?;
        }
        Ok(pb::MoveLeaderResponse { header: Some(backend.header_now()) })
    }

    async fn do_defragment(&self) -> Result<pb::DefragmentResponse, Status> {
        let backend = &self.0.backend;
        backend.metrics.disk.defrag_inflight.set(1);
        let began = backend.clock.now();
        let done = backend.defragmenter.defragment().await;
        backend.metrics.disk.defrag_inflight.set(0);
        backend.metrics.disk.backend_defrag.observe(backend.clock.now().since(began).as_secs_f64());
        done.map_err(|e| Status::unknown(format!("naxos: cannot defragment: {e}")))?;
        Ok(pb::DefragmentResponse { header: None })
    }

    async fn do_hash_kv(&self, r: pb::HashKvRequest) -> Result<pb::HashKvResponse, Status> {
        let backend = &self.0.backend;
        let store = std::sync::Arc::clone(&backend.store);
        let hashed = backend.cold.run(move |reader| hash_kv(&store, reader, r.revision)).await;
        let found = hashed.map_err(|_| EtcdError::Stopped)??;
        Ok(pb::HashKvResponse {
            header: Some(backend.header(found.current)),
            hash: found.hash,
            compact_revision: found.compacted,
            hash_revision: found.revision,
        })
    }
}

fn not_built<T>(what: &str) -> Result<T, Status> {
    Err(Status::unimplemented(format!("naxos: {what} is not built yet")))
}

#[async_trait]
impl pb::maintenance_server::Maintenance for MaintenanceService {
    type SnapshotStream = Counted<LeaderRequired<ReceiverStream<Result<pb::SnapshotResponse, Status>>>>;

    async fn alarm(&self, r: Request<pb::AlarmRequest>) -> Result<Response<pb::AlarmResponse>, Status> {
        self.0.unary(Method::Alarm, self.do_alarm(r.into_inner())).await
    }

    async fn status(&self, _: Request<pb::StatusRequest>) -> Result<Response<pb::StatusResponse>, Status> {
        self.0.unary(Method::Status, self.do_status()).await
    }

    async fn defragment(&self, _: Request<pb::DefragmentRequest>) -> Result<Response<pb::DefragmentResponse>, Status> {
        self.0.unary(Method::Defragment, self.do_defragment()).await
    }

    async fn hash(&self, _: Request<pb::HashRequest>) -> Result<Response<pb::HashResponse>, Status> {
        let backend = &self.0.backend;
        let hash = u32::try_from(backend.reader.checksum() & u64::from(u32::MAX)).expect("masked to 32 bits");
        let answer = pb::HashResponse { header: Some(backend.header_now()), hash };
        self.0.unary(Method::Hash, async { Ok(answer) }).await
    }

    async fn hash_kv(&self, r: Request<pb::HashKvRequest>) -> Result<Response<pb::HashKvResponse>, Status> {
        self.0.unary(Method::HashKv, self.do_hash_kv(r.into_inner())).await
    }

    async fn snapshot(&self, r: Request<pb::SnapshotRequest>) -> Result<Response<Self::SnapshotStream>, Status> {
        let backend = &self.0.backend;
        // As in etcd, a learner serves it too.
        backend.check_state()?;
        let answers = send_backup(backend, self.0.stop.clone())?;
        let answers = self.0.while_led(r.metadata(), answers);
        Ok(Response::new(Counted::start(&backend.metrics, Method::Snapshot, answers)))
    }

    async fn move_leader(&self, r: Request<pb::MoveLeaderRequest>) -> Result<Response<pb::MoveLeaderResponse>, Status> {
        self.0.unary(Method::MoveLeader, self.do_move_leader(r.into_inner())).await
    }

    async fn downgrade(&self, _: Request<pb::DowngradeRequest>) -> Result<Response<pb::DowngradeResponse>, Status> {
        not_built("Downgrade")
    }
}

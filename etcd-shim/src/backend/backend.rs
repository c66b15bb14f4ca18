//! [`Backend`]: proposes commands, reads at the log's tail, answers with etcd's errors.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use naxos_client::VirtualLog;
use naxos_client::failure::{NodeState, StartMemory};
use naxos_engines::objects::ChangeSignal;
use naxos_engines::read_gate::ReadGate;
use naxos_engines::reply_port::Waiter;
use naxos_engines::stack::Stack;
use naxos_engines::{ProposeError, StoreReader, local_store::Defragmenter};
use naxos_log_server::Unit;
use naxos_log_server::meta::MetaReplica;
use naxos_proto::contracts::{Refusal, StartMark, UnitError};
use naxos_proto::etcd::server::etcdserverpb::{self as pb, ResponseHeader};
use naxos_proto::ids::{EngineId, Incarnation, LogletId, MemberId, StorageId, StoreId};
use naxos_proto::loglet_roles::LogletRoles;
use naxos_proto::role::Role;
use naxos_proto::seams::{Clock, Disk, Entropy, Instant, Tasks};
use naxos_sequencer::LocalSequencer;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::cause::with_cause;
use super::deadlines::Deadlines;
use super::fence::Fence;
use super::leadership::{Leadership, can_have_leader};
use super::lease_keeper::LeaseKeeper;
use super::listener::NodeListener;
use super::pending_requests::PendingRequests;
use super::roster::Roster;
use crate::config::ServerConfig;
use crate::metrics::Metrics;
use crate::state::kv::janitor::Janitor;
use crate::state::kv::store_reads::StoreReads;
use crate::state::own::{CannotApply, OwnMachine};
use crate::state::{Answer, Command, EtcdError, Machine, SharedStore};

/// The store that etcd's clients see.
const STORE: StoreId = StoreId(0);
/// etcd's default quota.
const QUOTA_BYTES: i64 = 2 << 30;
/// A member that has been alive for this long counts as healthy when members are changed. The same as in etcd.
const SETTLED_AFTER: Duration = Duration::from_secs(5);
/// Added to the bytes of a request before they are compared with `--max-request-bytes`. etcd compares the size of the
/// message that goes through Raft, which is the request and an envelope of about this size.
const ENVELOPE_BYTES: usize = 16;

/// The answer to a write when no write can be done.
fn read_only(why: &str) -> Status {
    Status::unavailable(format!("etcdserver: no write can be done: {why}"))
}

/// See the module.
pub(crate) struct Backend {
    pub(crate) config: ServerConfig,
    pub(crate) roster: Roster,
    /// The states of all nodes, this one included.
    pub(crate) nodes: tokio::sync::watch::Receiver<BTreeMap<StorageId, NodeState>>,
    pub(crate) member_id: u64,
    pub(crate) stack: Arc<Stack<Machine<NodeListener>>>,
    /// For linearizable reads of callers that do not run on an RPC runtime; each RPC runtime has a gate of its own.
    pub(crate) gate: Arc<ReadGate>,
    pub(crate) store: Arc<SharedStore>,
    pub(crate) reader: StoreReader,
    /// The program's own state machine, if it has one.
    pub(crate) own: Option<Arc<OwnMachine>>,
    /// Tells when replicated objects have changed.
    pub(crate) objects_changed: ChangeSignal,
    pub(crate) cold: StoreReads,
    pub(crate) keeper: Arc<LeaseKeeper>,
    pub(crate) janitor: Arc<Janitor>,
    pub(crate) log: Arc<VirtualLog>,
    pub(crate) unit: Arc<Unit>,
    /// The sequencer of this process. It is here only for `node::probe`, which tests use.
    pub(crate) sequencer: Arc<LocalSequencer>,
    pub(crate) meta: Arc<MetaReplica>,
    pub(crate) defragmenter: Defragmenter,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The deadlines for callers that do not run on an RPC runtime. They tick on the control Worker. Each RPC runtime
    /// has deadlines of its own.
    pub(crate) deadlines: Arc<Deadlines>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Spawns tasks: a panic in one of them ends the node.
    pub(crate) tasks: Tasks,
    /// Used only to ask for the free space.
    pub(crate) disk: Arc<dyn Disk>,
    /// Free bytes of the disk when [`Self::look_at_disk`] last ran; `u64::MAX` while unknown.
    pub(crate) free_bytes: AtomicU64,
    /// Why this process cannot do any write any more. It is set by the first write that fails because of a disk error, and
    /// never cleared.
    pub(crate) read_only: OnceLock<String>,
    /// Writes are refused when the disk has fewer free bytes than this.
    pub(crate) reserve_bytes: u64,
    /// The storage id of the data directory, and the number of this process's boot on it.
    pub(crate) incarnation: Incarnation,
    /// The mark of this start.
    pub(crate) start: StartMark,
    /// The starts of the other nodes.
    pub(crate) starts: Arc<dyn StartMemory>,
    pub(crate) started: Instant,
    pub(crate) slow_watchers: Arc<AtomicUsize>,
    /// The watch hubs of all RPC runtimes. Each hub counts its own watchers.
    pub(crate) hubs: parking_lot::Mutex<Vec<std::sync::Weak<crate::watch::Hub>>>,
    /// Since when each node has been alive without a break.
    pub(crate) alive_since: parking_lot::Mutex<BTreeMap<StorageId, (Incarnation, Instant)>>,
    /// Whether this member is a learner; see [`Self::is_learner`].
    pub(crate) is_learner: AtomicBool,
    /// Whether there was a leader at the last looks.
    pub(crate) leadership: Leadership,
    /// Up if the state of this member differs from that of the others. Then it serves nothing.
    pub(crate) fence: Arc<Fence>,
    /// Why the program's own state machine cannot go on, if it cannot. Then the node ends.
    pub(crate) failure: CannotApply,
    /// Cancelled when this member was removed from the cluster and is not needed any more.
    pub(crate) removed: CancellationToken,
    /// Counts the backups that clients are reading.
    pub(crate) backups: Arc<tokio::sync::Semaphore>,
}

impl Backend {
    /// At most this many clients read a backup at a time. Each of them makes the local store keep the pages that it reads.
    pub(crate) const BACKUPS_MAX: usize = 2;

    /// The active loglet, if this node has to be the keeper of leases under it. The keeper is the node whose process is
    /// the loglet's sequencer. If that process replays no log, the keeper is the first node that replays the log, is
    /// alive and may keep leases (see [`Self::is_first_with_state`]).
    pub(crate) fn loglet_to_keep_leases_under(&self) -> Option<LogletId> {
        let (_, chain) = self.log.chain();
        let params = &chain.active().params;
        let sequencer = LogletRoles::of(params).ok()?.sequencer;
        let is_ours =
            sequencer == self.incarnation || (!Role::of(sequencer.storage).has_state() && self.is_first_with_state());
        is_ours.then_some(params.id)
    }

    /// Whether this node has the lowest storage id of those that replay the log, are alive and may keep leases. A learner
    /// may not, nor may a member whose state differs from that of the others.
    fn is_first_with_state(&self) -> bool {
        let store = self.store.read();
        let may_keep = |storage: StorageId| {
            self.roster.member(storage).is_some_and(|MemberId(member)| {
                let votes = store.members.get(&member).is_some_and(|listed| !listed.is_learner);
                votes && !store.alarms.contains(&(member, pb::AlarmType::Corrupt as i32))
            })
        };
        let nodes = self.nodes.borrow();
        let alive = nodes.iter().filter(|(_, state)| state.alive().is_some()).map(|(storage, _)| *storage);
        let first = alive.filter(|storage| Role::of(*storage).has_state() && may_keep(*storage)).min();
        first == Some(self.incarnation.storage)
    }

    /// The member whose process is the sequencer of the active loglet, if that process answers and this member can have a
    /// leader (see [`can_have_leader`]). Clients of etcd know it as the leader.
    pub(crate) fn leader(&self) -> Option<MemberId> {
        let (_, chain) = self.log.chain();
        let Ok(roles) = LogletRoles::of(&chain.active().params) else {
            // A loglet without a sequencer needs no leader. Clients that want one are told that each node leads.
            return Some(MemberId(self.member_id));
        };
        let nodes = self.nodes.borrow();
        if !can_have_leader(&roles, &nodes, self.unit.oldest_sync_age()) {
            return None;
        }
        let state = nodes.get(&roles.sequencer.storage).copied();
        let answers = state.and_then(NodeState::alive) == Some(roles.sequencer);
        answers.then(|| self.roster.member(roles.sequencer.storage)).flatten()
    }

    /// Whether this member is a learner, so it has no vote. Then it serves little to clients.
    pub(crate) fn is_learner(&self) -> bool {
        self.is_learner.load(Ordering::Relaxed)
    }

    /// Whether the node with this data directory has been alive for [`SETTLED_AFTER`] without a break. This node itself
    /// always counts as settled, as in etcd.
    pub(crate) fn is_settled(&self, storage: StorageId) -> bool {
        let since = self.alive_since.lock().get(&storage).map(|(_, since)| *since);
        let is_settled = since.is_some_and(|since| self.clock.now().since(since) >= SETTLED_AFTER);
        storage == self.incarnation.storage || is_settled
    }

    /// Takes note of the states of the nodes as they are now, for [`Self::is_settled`].
    pub(crate) fn note_nodes(&self, nodes: &BTreeMap<StorageId, NodeState>) {
        let now = self.clock.now();
        let mut since = self.alive_since.lock();
        let before = std::mem::take(&mut *since);
        for (storage, process) in nodes.iter().filter_map(|(storage, state)| Some((*storage, state.alive()?))) {
            let known = before.get(&storage).filter(|(known, _)| *known == process);
            since.insert(storage, known.copied().unwrap_or((process, now)));
        }
    }

    /// Looks up in the list of members whether this member is a learner.
    pub(crate) fn note_membership(&self) {
        let is_learner = self.store.read().members.get(&self.member_id).is_some_and(|member| member.is_learner);
        self.is_learner.store(is_learner, Ordering::Relaxed);
    }

    /// Refuses a call that a member without a vote does not serve.
    pub(crate) fn refuse_if_learner(&self) -> Result<(), EtcdError> {
        if self.is_learner() { Err(EtcdError::NotSupportedForLearner) } else { Ok(()) }
    }

    /// An answer's header that shows `revision`.
    pub(crate) fn header(&self, revision: i64) -> ResponseHeader {
        use naxos_client::SharedLog;
        ResponseHeader {
            cluster_id: self.roster.cluster,
            member_id: self.member_id,
            revision,
            raft_term: self.log.ordinal(),
        }
    }

    /// An answer's header that shows the store's revision.
    pub(crate) fn header_now(&self) -> ResponseHeader {
        self.header(self.store.read().revision)
    }

    /// Adds the ids of cluster and member and the term to a header that apply has made. Apply sets only the revision.
    pub(crate) fn complete(&self, header: &mut Option<ResponseHeader>) {
        let revision = header.as_ref().map_or(0, |h| h.revision);
        *header = Some(self.header(revision));
    }

    /// The quota in bytes; `None` (no quota) when the flag is negative.
    pub(crate) fn quota(&self) -> Option<i64> {
        match self.config.limits.quota_backend_bytes {
            0 => Some(QUOTA_BYTES),
            n if n < 0 => None,
            n => Some(n),
        }
    }

    /// Refuses a request that is larger than `--max-request-bytes`.
    pub(crate) fn check_size(&self, bytes: usize) -> Result<(), EtcdError> {
        if bytes + ENVELOPE_BYTES > self.config.limits.max_request_bytes {
            return Err(EtcdError::RequestTooLarge);
        }
        Ok(())
    }

    /// Refuses a request of `bytes` bytes if it does not fit into the quota. Before that, raises the alarm NOSPACE if
    /// it is not on yet.
    pub(crate) async fn check_quota(&self, pending: &Arc<PendingRequests>, bytes: usize) -> Result<(), Status> {
        let Some(quota) = self.quota() else { return Ok(()) };
        let used = self.store.used_bytes();
        if used + i64::try_from(bytes).unwrap_or(i64::MAX) <= quota {
            return Ok(());
        }
        let nospace = pb::AlarmType::Nospace as i32;
        if !self.store.read().alarms.contains(&(self.member_id, nospace)) {
            let action = pb::alarm_request::AlarmAction::Activate as i32;
            let request = pb::AlarmRequest { action, member_id: self.member_id, alarm: nospace };
            tracing::warn!(quota_bytes = quota, used_bytes = used, "the quota is used up; raising alarm NOSPACE");
            self.propose(pending, Command::Alarm(request)).await?;
        }
        Err(EtcdError::NoSpace.into())
    }

    /// Proposes a command and waits for its outcome.
    /// # Cancel safety
    /// The command may still be done.
    pub(crate) async fn propose(
        &self,
        pending: &Arc<PendingRequests>,
        command: Command,
    ) -> Result<(Answer, i64), Status> {
        if let Some(why) = self.read_only.get() {
            return Err(read_only(why));
        }
        // While the checkpoint is behind, commands wait. On a full disk it stays behind, so refuse the command at once.
        if self.reader.is_behind()
            && let Some(refusal) = self.write_refusal()
        {
            return Err(self.failed(&ProposeError::Refused(refusal)));
        }
        let (waiter, reply) = Waiter::new(&pending.replies);
        self.stack.propose(command.encode_at(self.store.version_now(), STORE), command.cost(), waiter);
        let Some(reply) = pending.deadlines.within(reply).await else { return Err(self.timed_out()) };
        match reply {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(refused))) => Err(refused.into()),
            Ok(Err(failed)) => Err(self.failed(&failed)),
            Err(_) => Err(with_cause(
                EtcdError::Stopped.into(),
                ProposeError::Unknown("the node stopped before the answer".to_owned()),
            )),
        }
    }

    /// Turns an engine on or off.
    ///
    /// # Errors
    /// `FailedPrecondition` if the engine is always on, else as [`Self::propose`].
    pub(crate) async fn switch(&self, pending: &PendingRequests, engine: EngineId, on: bool) -> Result<(), Status> {
        if let Some(why) = self.read_only.get() {
            return Err(read_only(why));
        }
        let switched = pending.deadlines.within(self.stack.switch(engine, on)).await;
        switched.ok_or_else(|| self.timed_out())?.map(drop).map_err(|error| self.failed(&error))
    }

    /// The error for a log that does not answer. The command may still be done.
    fn timed_out(&self) -> Status {
        self.metrics.server.proposals_failed.inc();
        with_cause(EtcdError::Timeout.into(), ProposeError::Unknown("the log did not answer in time".to_owned()))
    }

    /// The answer to a write that this node cannot do. If there are other members, the code is `Unavailable`, because
    /// clients then try another member.
    fn cannot_write(&self, why: String) -> Status {
        let is_alone = self.roster.seats.borrow().len() == 1;
        Status::new(if is_alone { Code::ResourceExhausted } else { Code::Unavailable }, why)
    }

    fn failed(&self, error: &ProposeError) -> Status {
        self.metrics.server.proposals_failed.inc();
        match error {
            ProposeError::Refused(Refusal::Overloaded) => {
                with_cause(EtcdError::TooManyRequests.into(), error.clone())
            }
            ProposeError::Refused(Refusal::TooLarge { .. }) => EtcdError::RequestTooLarge.into(),
            ProposeError::Refused(
                Refusal::NoSequencer(_)
                | Refusal::NotServed(_)
                | Refusal::OtherSequencer { .. }
                | Refusal::UnknownUnit(_)
                | Refusal::NoSuccessor,
            ) => EtcdError::NoLeader.into(),
            // etcd has no errors for these: when its disk is full it fails without saying so, or ends.
            ProposeError::Refused(
                Refusal::DiskFull { .. }
                | Refusal::EarlierFailed(_)
                | Refusal::Unit(_)
                // Cannot happen here: a proposal is always appended without a condition.
                | Refusal::StreamChanged(_)
                | Refusal::Unsupported(_),
            ) => self.cannot_write(format!("etcdserver: {error}")),
            ProposeError::NotSwitchable { .. } => Status::failed_precondition(error.to_string()),
            ProposeError::Stopped => EtcdError::Stopped.into(),
            ProposeError::Unknown(why) => {
                tracing::warn!(error = %why, "the outcome of a proposal is unknown");
                if let Some(why) = self.unit.write_problem() {
                    // This is permanent: later writes are refused at once.
                    let why = self.read_only.get_or_init(|| why);
                    let refused = read_only(&format!("{why}; whether this one was done is unknown"));
                    return with_cause(refused, error.clone());
                }
                with_cause(EtcdError::Timeout.into(), error.clone())
            }
        }
    }

    /// Waits until everything that was acknowledged before the call is applied on this node. An error if this takes
    /// longer than `deadlines` allows or if the log has no answer; at once if the state may not be shown, because then
    /// waiting does not help.
    pub(crate) async fn linearize(&self, gate: &ReadGate, deadlines: &Deadlines) -> Result<(), Status> {
        self.check_state()?;
        match deadlines.within(gate.sync()).await {
            Some(Ok(_)) => self.check_applied(),
            None => Err(EtcdError::Timeout.into()),
            Some(Err(e)) => {
                tracing::warn!(error = %e, "a linearizable read found no tail");
                Err(EtcdError::NoLeader.into())
            }
        }
    }

    /// Asks the disk for its free space.
    pub(crate) async fn look_at_disk(&self) {
        // If the disk does not report its free space, a full disk is noticed only when a write fails.
        let free = self.disk.free_bytes().await.unwrap_or(u64::MAX);
        self.free_bytes.store(free, Ordering::Relaxed);
    }

    /// Why writes are refused now; `None` if they are accepted.
    pub(crate) fn write_refusal(&self) -> Option<Refusal> {
        if let Some(why) = self.unit.poisoned() {
            return Some(UnitError::Poisoned(why).into());
        }
        let free = self.free_bytes.load(Ordering::Relaxed);
        let needed = self.reserve_bytes.max(self.unit.wanted_free_bytes());
        (free < needed).then_some(Refusal::DiskFull { free, needed })
    }

    /// As [`Self::write_refusal`], in words.
    pub(crate) fn write_problem(&self) -> Option<String> {
        self.write_refusal().map(|refusal| refusal.to_string())
    }
}

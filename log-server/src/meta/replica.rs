//! [`MetaReplica`]: one replica of the register.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos_proto::contracts::{MetaError, MetaStore, PutOutcome, Versioned};
use naxos_proto::ids::{ChainVersion, StorageId};
use naxos_proto::seams::{Clock, Seams, WorkerHandle, start};
use openraft::error::{CheckIsLeaderError, ClientWriteError, RaftError};
use openraft::{EmptyNode, RaftMetrics, SnapshotPolicy};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::LogServer;
use crate::meta::codec::{decode, encode};
use crate::meta::log_store::LogStore;
use crate::meta::peers::Networks;
use crate::meta::raft_writer::RaftWriter;
use crate::meta::register::Register;
use crate::meta::request::{CallError, Request, is_without_gap};
use crate::meta::seeded_runtime::seed_thread;
use crate::meta::types::{Put, Raft, Value};
use crate::meta::{MetaConfig, MetaPeers, PeerError};
use crate::open_error::OpenError;

/// Time between two attempts of a read or a put.
const RETRY: Duration = Duration::from_millis(10);
/// If a read that this replica makes takes longer than this, the others are asked, too: the disk here may hang.
const ASK_OTHERS_AFTER: Duration = Duration::from_millis(200);
/// How many applied entries before a snapshot are kept, for replicas that lag a little.
const ENTRIES_KEPT: u64 = 4;

/// One replica of the register. Its calls may come from any thread and runtime.
pub struct MetaReplica {
    pub(super) storage: StorageId,
    pub(super) raft: Raft,
    register: Register,
    /// The index of the last entry that the replica had when it started.
    last_at_start: Option<u64>,
    writer: RaftWriter,
    pub(super) peers: Arc<dyn MetaPeers>,
    pub(super) clock: Arc<dyn Clock>,
    config: MetaConfig,
    stop: CancellationToken,
    worker: Mutex<Option<WorkerHandle>>,
}

fn raft_config(config: &MetaConfig) -> Result<openraft::Config, OpenError> {
    let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    let raft = openraft::Config {
        cluster_name: "naxos-meta".to_owned(),
        heartbeat_interval: millis(config.heartbeat),
        election_timeout_min: millis(config.election_min),
        election_timeout_max: millis(config.election_max),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(config.snapshot_entries),
        max_in_snapshot_log_to_keep: ENTRIES_KEPT,
        ..openraft::Config::default()
    };
    let expected = "such that heartbeat < election_min < election_max, in whole milliseconds";
    raft.validate().map_err(|_| OpenError::Config { field: "the metadata store's time-outs", expected })
}

/// The body of the Worker `meta`, which owns the runtime of openraft's tasks.
async fn run(
    seed: u64,
    storage: StorageId,
    config: openraft::Config,
    voters: Vec<StorageId>,
    stores: (LogStore, Register, Networks),
    ready: oneshot::Sender<Result<Raft, OpenError>>,
    stop: CancellationToken,
) {
    seed_thread(seed);
    let (log, register, networks) = stores;
    let meta = |e: &dyn std::fmt::Display| OpenError::Meta(e.to_string());
    let raft = match Raft::new(storage.0, Arc::new(config), networks, log, register).await {
        Ok(raft) => raft,
        Err(e) => return drop(ready.send(Err(meta(&e)))),
    };
    let begun = async {
        // A register that was initialised once knows its voters. Each of the first voters may initialise it, as long
        // as all of them give the same list.
        if !voters.is_empty() && !raft.is_initialized().await.map_err(|e| meta(&e))? {
            let members: BTreeMap<u64, EmptyNode> = voters.iter().map(|id| (id.0, EmptyNode {})).collect();
            raft.initialize(members).await.map_err(|e| meta(&e))?;
        }
        Ok(raft.clone())
    };
    // If the caller of `start` is gone, nobody gets the replica. It still runs here until `stop` is cancelled.
    let _ = ready.send(begun.await);
    stop.cancelled().await;
    if let Err(e) = raft.shutdown().await {
        tracing::warn!(error = %e, "the metadata store's task ended badly");
    }
}

impl MetaReplica {
    /// Starts the replica that lives in `server`'s journal, on a Worker of its own. A server may have at most one
    /// replica.
    ///
    /// On the register's very first start the voters are `config.voters`. Later the register itself knows them.
    /// # Cancel safety
    /// If the call is dropped halfway, the Worker may go on. Cancel `stop` to end it.
    pub async fn start(
        server: &LogServer,
        seams: &Seams,
        config: MetaConfig,
        peers: Arc<dyn MetaPeers>,
        stop: CancellationToken,
    ) -> Result<Arc<MetaReplica>, OpenError> {
        let unit = server.unit().clone();
        let storage = server.storage_id();
        let writer = RaftWriter::new(unit, seams.clock.clone(), stop.clone());
        let register = Register::new(writer.clone(), server.raft())?;
        let log = LogStore::new(writer.clone(), server.raft(), register.mark())?;
        let last_at_start = server.raft().entries.keys().next_back().copied();
        let raft_config = raft_config(&config)?;
        let (ready, started) = oneshot::channel();
        let seed = seams.entropy.u64();
        let voters = config.voters.clone();
        let stores = (log, register.clone(), Networks(peers.clone()));
        let worker = start(seams.worker.as_ref(), "meta", stop.clone(), move |stop| {
            run(seed, storage, raft_config, voters, stores, ready, stop)
        });
        let raft = started.await.map_err(|_| OpenError::Meta("its worker ended at once".to_owned()))??;
        let clock = seams.clock.clone();
        let worker = Mutex::new(Some(worker));
        Ok(Arc::new(MetaReplica { storage, raft, register, last_at_start, writer, peers, clock, config, stop, worker }))
    }

    /// Answers a request that another replica sent through its [`MetaPeers`].
    pub async fn serve(&self, request: Bytes) -> Result<Bytes, PeerError> {
        let request = decode(&request)
            .map_err(|e| PeerError::Unreachable(self.storage, format!("the request does not decode: {e}")))?;
        Ok(match request {
            Request::Append(rpc) if !is_without_gap(&rpc) => {
                return Err(PeerError::Unreachable(self.storage, "entries are missing in the request".to_owned()));
            }
            Request::Append(rpc) => encode(&self.raft.append_entries(rpc).await),
            Request::Vote(rpc) => encode(&self.raft.vote(rpc).await),
            Request::Snapshot(rpc) => encode(&self.raft.install_snapshot(rpc).await),
            Request::Get => encode(&self.get_here().await),
            Request::Put(put) => encode(&self.put_here(put).await),
            Request::RelayGet => self.serve_relayed_get().await,
            Request::RelayPut(put) => self.serve_relayed_put(put).await,
        })
    }

    /// The current leader, as far as this replica knows.
    pub fn leader(&self) -> Option<StorageId> {
        self.raft.metrics().borrow().current_leader.map(StorageId)
    }

    /// Stops the replica and its Worker. The error is the text of a panic.
    pub async fn shutdown(&self) -> Result<(), String> {
        self.stop.cancel();
        let worker = self.worker.lock().take();
        match worker {
            Some(worker) => worker.join().await,
            None => Ok(()),
        }
    }

    /// Refuses a call that would wait for this replica's disk: while a record waits for room, openraft does nothing
    /// else.
    fn check_room(&self) -> Result<(), CallError> {
        match self.writer.refusal() {
            Some(refusal) => Err(CallError::Unavailable(refusal.to_string())),
            None => Ok(()),
        }
    }

    pub(super) async fn get_here(&self) -> Result<Value, CallError> {
        self.check_room()?;
        match self.raft.ensure_linearizable().await {
            Ok(_) => {
                self.apply_what_was_there().await?;
                Ok(self.register.value())
            }
            Err(RaftError::APIError(CheckIsLeaderError::ForwardToLeader(to))) => {
                Err(CallError::NotLeader(to.leader_id))
            }
            Err(e) => Err(CallError::Unavailable(e.to_string())),
        }
    }

    /// Waits until every entry that this replica had when it started is applied.
    ///
    /// openraft lets a leader that is started again go on as the leader of its term. At first the leader does not know
    /// how far the log is committed. Until the others have told it, openraft allows a read as soon as the first entry
    /// of the term is applied. But later entries may have been committed and acknowledged before the start, and such a
    /// read would miss them.
    async fn apply_what_was_there(&self) -> Result<(), CallError> {
        let Some(last) = self.last_at_start else { return Ok(()) };
        let applied = self.raft.wait(None).applied_index_at_least(Some(last), "the entries before the start").await;
        applied.map(drop).map_err(|e| CallError::Unavailable(e.to_string()))
    }

    pub(super) async fn put_here(&self, put: Put) -> Result<crate::meta::types::Answer, CallError> {
        self.check_room()?;
        match self.raft.client_write(put).await {
            Ok(answer) => Ok(answer.data),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => Err(CallError::NotLeader(to.leader_id)),
            Err(RaftError::APIError(e)) => Err(CallError::Unavailable(e.to_string())),
            Err(RaftError::Fatal(e)) => Err(CallError::Unknown(e.to_string())),
        }
    }

    /// Makes one attempt. It runs `here`, which asks this replica. If another replica is the leader, it sends the
    /// request to that replica.
    pub(super) async fn at_leader<T: serde::de::DeserializeOwned>(
        &self,
        here: impl Future<Output = Result<T, CallError>>,
        request: impl FnOnce() -> Request,
    ) -> Result<T, CallError> {
        let leader = match here.await {
            Err(CallError::NotLeader(Some(leader))) if leader != self.storage.0 => leader,
            outcome => return outcome,
        };
        let call = self.peers.call(StorageId(leader), encode(&request()));
        let answer = tokio::select! {
            biased;
            answer = call => answer.map_err(|e| match e {
                PeerError::Unreachable(..) => CallError::NotLeader(None),
                PeerError::Unknown(..) => CallError::Unknown(e.to_string()),
            })?,
            // A leader that hangs answers nothing, and the others elect another leader before the call ends.
            () = self.other_leader(Some(leader)) => {
                return Err(CallError::Unknown("the leader changed before it answered".to_owned()));
            }
        };
        decode::<Result<T, CallError>>(&answer)
            .unwrap_or_else(|e| Err(CallError::Unknown(format!("the leader's answer does not decode: {e}"))))
    }

    /// For a read that takes long: calls [`Self::get_of_others`] every [`ASK_OTHERS_AFTER`] until it has the value.
    /// openraft waits for this replica's disk, so a disk that hangs would hold up every read here. The other replicas
    /// do not need this disk for a read.
    async fn get_of_others_later(&self) -> Value {
        loop {
            self.clock.sleep(ASK_OTHERS_AFTER).await;
            if let Some(value) = self.get_of_others().await {
                return value;
            }
        }
    }

    /// Waits until this replica knows of another leader than `leader`. A leader that it knows may be long gone.
    pub(super) async fn other_leader(&self, leader: Option<u64>) {
        let mut metrics = self.raft.metrics();
        let is_other =
            |metrics: &RaftMetrics<u64, EmptyNode>| metrics.current_leader.is_some_and(|now| Some(now) != leader);
        if metrics.wait_for(is_other).await.is_err() {
            // openraft has ended, so there will be no other leader.
            std::future::pending::<()>().await;
        }
    }

    /// Runs `attempts` until the deadline or the stop of the replica, and then answers with the error of `late`.
    async fn within<T>(
        &self,
        attempts: impl Future<Output = Result<T, MetaError>>,
        late: impl FnOnce(String) -> MetaError,
    ) -> Result<T, MetaError> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(late("the replica is stopping".to_owned())),
            outcome = attempts => outcome,
            () = self.clock.sleep(self.config.deadline) => {
                Err(late(format!("no answer within {} ms", self.config.deadline.as_millis())))
            }
        }
    }
}

impl MetaStore for MetaReplica {
    fn get(&self) -> BoxFuture<'_, Result<Versioned, MetaError>> {
        let attempts = async {
            loop {
                let known = self.leader().map(|leader| leader.0);
                let outcome = tokio::select! {
                    biased;
                    outcome = self.at_leader(self.get_here(), || Request::Get) => outcome,
                    value = self.get_of_others_later() => Ok(value),
                };
                match outcome {
                    Ok(value) => return Ok(value.into()),
                    Err(CallError::Unavailable(text)) if self.writer.refusal().is_some() => {
                        return Err(MetaError::Unavailable(text));
                    }
                    // A read changes nothing, so it may be repeated after any error.
                    Err(CallError::NotLeader(_)) => {
                        let value = tokio::select! {
                            biased;
                            value = self.get_of_others() => value,
                            () = self.other_leader(known) => None,
                        };
                        if let Some(value) = value {
                            return Ok(value.into());
                        }
                        self.clock.sleep(RETRY).await;
                    }
                    Err(_) => self.clock.sleep(RETRY).await,
                }
            }
        };
        Box::pin(self.within(attempts, MetaError::Unavailable))
    }

    fn put(&self, expected: ChainVersion, bytes: Bytes) -> BoxFuture<'_, Result<PutOutcome, MetaError>> {
        let max = self.config.value_bytes_max;
        if bytes.len() > max {
            return Box::pin(async move { Err(MetaError::TooLarge { len: bytes.len(), max }) });
        }
        let put = Put { expected: expected.0, bytes: bytes.to_vec() };
        let attempts = async move {
            loop {
                let outcome = match self.at_leader(self.put_here(put.clone()), || Request::Put(put.clone())).await {
                    Err(not_leader @ CallError::NotLeader(_)) => {
                        self.put_of_others(&put).await.unwrap_or(Err(not_leader))
                    }
                    outcome => outcome,
                };
                match outcome {
                    Ok(answer) => {
                        let unknown = || MetaError::Unknown("the answer is of another entry".to_owned());
                        return answer.outcome().ok_or_else(unknown);
                    }
                    Err(CallError::NotLeader(_)) => self.clock.sleep(RETRY).await,
                    Err(CallError::Unavailable(text)) => return Err(MetaError::Unavailable(text)),
                    Err(CallError::Unknown(text)) => return Err(MetaError::Unknown(text)),
                }
            }
        };
        Box::pin(self.within(attempts, MetaError::Unknown))
    }
}

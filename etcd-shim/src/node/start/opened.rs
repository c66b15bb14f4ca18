//! The second step: [`Opened`].

use std::sync::Arc;
use std::time::Duration;

use naxos_client::loglets::{MemoryProvider, NativeProvider};
use naxos_client::{Liveness, VirtualLog, VirtualLogConfig, VirtualLogParts};
use naxos_engines::LocalStore;
use naxos_log_server::LogServer;
use naxos_log_server::meta::{MetaConfig, MetaReplica, NoPeers};
use naxos_proto::chain::LogletKind;
use naxos_proto::ids::{Incarnation, LogId, MemberId};
use naxos_proto::seams::{WorkerHandle, start};
use naxos_sequencer::NativeSequencer;
use tokio::sync::watch;

use super::context::Context;
use super::found::Found;
use super::peers::Peers;
use super::start_error::StartError;
use crate::port::BoundPort;
use crate::state::SharedStore;

/// How long a sealed loglet may be without a successor before this node makes one.
const TAKEOVER_AFTER: Duration = Duration::from_millis(200);

/// The storage unit and the MetaStore's replica run, and the log over them is open. The boot number of this process is
/// durable, and the active segment of the chain names it.
pub(super) struct Opened {
    pub(super) context: Context,
    pub(super) bound: BoundPort,
    pub(super) workers: Vec<WorkerHandle>,
    pub(super) local_store: LocalStore,
    pub(super) store: Arc<SharedStore>,
    pub(super) log_server: LogServer,
    pub(super) meta: Arc<MetaReplica>,
    pub(super) log: Arc<VirtualLog>,
    pub(super) log_id: LogId,
    pub(super) member: MemberId,
    pub(super) incarnation: Incarnation,
}

impl Found {
    /// Starts the storage unit and the MetaStore's replica, and reconfigures the log for this boot.
    pub(super) async fn open(self) -> Result<Opened, StartError> {
        let Found { context, bound, journal, local_store, store } = self;
        let (seams, stops) = (&context.seams, &context.stops);
        let (log_id, member) = (journal.log(), journal.member());
        let log_server = journal.start(stops.unit.clone()).await?;
        let incarnation = Incarnation { storage: log_server.storage_id(), boot: log_server.boot() };
        let meta_config = MetaConfig::alone(incarnation.storage);
        let meta = MetaReplica::start(&log_server, seams, meta_config, Arc::new(NoPeers), stops.meta.clone()).await?;
        let peers = Arc::new(Peers::default());
        peers.set_unit(log_server.unit().clone());
        let sequencer = Arc::new(NativeSequencer::new(incarnation, peers.clone(), Arc::clone(&seams.clock)));
        peers.set_sequencer(sequencer.clone());
        let tend = move |stop| async move { sequencer.tend(stop).await };
        let workers = vec![start(&*seams.worker, "sequencer", stops.running.clone(), tend)];
        // This node is its own and only peer, and always alive: the value never changes.
        let alive = watch::Sender::new(Liveness {
            sequencers: vec![incarnation],
            units: vec![incarnation.storage],
            units_min: 1,
        });
        let parts = VirtualLogParts {
            config: VirtualLogConfig { log: log_id, kind: LogletKind::NATIVE, takeover_after: TAKEOVER_AFTER },
            meta: meta.clone(),
            providers: vec![
                Arc::new(NativeProvider::new(peers.clone(), peers, Arc::clone(&seams.clock))),
                Arc::new(MemoryProvider::default()),
            ],
            alive: alive.subscribe(),
            clock: Arc::clone(&seams.clock),
            entropy: Arc::clone(&seams.entropy),
        };
        let log = VirtualLog::start(parts).await?;
        Ok(Opened { context, bound, workers, local_store, store, log_server, meta, log, log_id, member, incarnation })
    }
}

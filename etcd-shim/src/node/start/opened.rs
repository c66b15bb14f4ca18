//! The second step: [`Opened`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use naxos_client::failure::{Detector, DetectorConfig, Driver, DriverParts, Heartbeats, NodeState};
use naxos_client::loglets::{MemoryProvider, NativeProvider};
use naxos_client::{Liveness, VirtualLog, VirtualLogConfig, VirtualLogParts};
use naxos_engines::LocalStore;
use naxos_log_server::meta::{MetaConfig, MetaReplica, RemotePeers};
use naxos_log_server::{FoundJournal, LogServer};
use naxos_proto::chain::LogletKind;
use naxos_proto::ids::{ChainVersion, Incarnation, LogId, MemberId, StorageId};
use naxos_proto::peer::{
    ChainNews, FoundingService, HeartbeatService, Home, MetaService, SequencerService, SnapshotsService, UnitService,
};
use naxos_proto::seams::{Tasks, WorkerHandle};
use naxos_sequencer::NativeSequencer;
use tokio::sync::{oneshot, watch};
use tonic::service::Routes;

use super::context::Context;
use super::found::Found;
use super::start_error::StartError;
use crate::backend::{LeaseDeskSlot, Roster};
use crate::node::cluster::open_log::open_log;
use crate::node::cluster::peer_worker::{PeerAddress, PeerWork, PeerWorker, start_peer_worker};
use crate::node::cluster::{Founders, Listed, OtherMember, OwnBeat, PeerPort, Peers, SnapshotDesk, peer_tls};
use crate::port::BoundPort;
use crate::state::SharedStore;

/// How long a sealed loglet may be without a successor before this node makes one.
const TAKEOVER_AFTER: Duration = Duration::from_millis(200);
/// The longest time between two heartbeats. `--heartbeat-interval` can make it shorter, but not longer.
const HEARTBEAT_MAX: Duration = Duration::from_millis(50);

/// The storage unit and the MetaStore's replica run, the other nodes are reached, and the log is open. The boot number
/// of this process is durable. If this node is alone, the active segment of the chain names this process; else some node
/// sees to it that the active segment names a process that is alive.
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
    pub(super) roster: Roster,
    pub(super) nodes: watch::Receiver<BTreeMap<StorageId, NodeState>>,
    pub(super) beat: Arc<OwnBeat>,
    /// Where the other nodes find this node as the keeper of leases, once it has a backend.
    pub(super) leases: Arc<LeaseDeskSlot>,
    /// How the other nodes are reached. `None` if there are none.
    pub(super) peers: Option<Arc<Peers>>,
    /// Where the other nodes ask for snapshots, once this node has played the log.
    pub(super) snapshots: Arc<SnapshotDesk>,
}

/// The data directory of each member, this one included.
fn seats(founders: Option<&Founders>, journal: &FoundJournal) -> BTreeMap<MemberId, StorageId> {
    founders.map_or_else(|| BTreeMap::from([(journal.member(), journal.storage_id())]), |f| f.seats.clone())
}

/// The other members, and how they are reached. A member that is no founder is not reached yet.
fn others(listed: &Listed, seats: &BTreeMap<MemberId, StorageId>) -> Vec<PeerAddress> {
    let reached = |(member, other): (&MemberId, &OtherMember)| {
        let storage = *seats.get(member)?;
        Some(PeerAddress { storage, address: other.address.clone(), connector: Arc::clone(&other.connector) })
    };
    listed.others.iter().filter_map(reached).collect()
}

impl Found {
    /// Starts the storage unit, the MetaStore's replica and the calls between nodes, and opens the log.
    pub(super) async fn open(self) -> Result<Opened, StartError> {
        let Found { context, bound, listed, founders, journal, local_store, store } = self;
        let (seams, stops) = (&context.seams, &context.stops);
        let (log_id, member) = (journal.log(), journal.member());
        let seats = seats(founders.as_ref(), &journal);
        let log_server = journal.start(stops.unit.clone()).await?;
        let unit = log_server.unit().clone();
        let own = Incarnation { storage: log_server.storage_id(), boot: log_server.boot() };

        let news = Arc::new(ChainNews::new(ChainVersion(0)));
        let tasks = Tasks::new(Arc::clone(&seams.worker), stops.running.clone());
        let home = Home { log: log_id, me: own, news: news.clone(), clock: Arc::clone(&seams.clock), tasks };
        let others = others(&listed, &seats);
        let made = start_peer_worker(&*seams.worker, home.clone(), unit.clone(), others, stops.running.clone()).await;
        let PeerWorker { handle, peers, work } = made.ok_or(StartError::Lost)?;
        let sequencer = Arc::new(NativeSequencer::new(own, peers.clone(), Arc::clone(&seams.clock)));
        peers.set_sequencer(sequencer.clone());
        let replicas = Arc::new(RemotePeers::default());
        peers.links().for_each(|link| replicas.set(link));
        let meta_config = MetaConfig { voters: seats.values().copied().collect(), ..MetaConfig::alone(own.storage) };
        let meta = MetaReplica::start(&log_server, seams, meta_config, replicas, stops.meta.clone()).await?;

        let beat = Arc::new(OwnBeat::new(own, unit.clone(), news.clone()));
        let heartbeats = heartbeats(&context, own, &peers, &beat);
        let nodes = heartbeats.states();
        let leases = Arc::new(LeaseDeskSlot::default());
        let snapshots = Arc::new(SnapshotDesk::default());
        let port = match &founders {
            None => None,
            Some(founders) => {
                let tls = peer_tls::acceptor(&context.config)?;
                let port = PeerPort::bind(&seams.net, &context.config.listen_peer_urls, tls.as_ref()).await?;
                let routes = Routes::new(UnitService::server(&home, unit.clone()))
                    .add_service(SequencerService::server(&home, sequencer.clone()))
                    .add_service(MetaService::server(&home, meta.clone()))
                    .add_service(HeartbeatService::server(&home, beat.clone()))
                    .add_service(naxos_proto::peer::LeaseKeeperService::server(&home, leases.clone()))
                    .add_service(SnapshotsService::server(&home, snapshots.clone()))
                    .add_service(FoundingService::server(founders.seat.clone()));
                Some((port, routes))
            }
        };
        let (drives, driver) = oneshot::channel();
        if work.send(PeerWork { port, sequencer, heartbeats, driver }).is_err() {
            return Err(StartError::Lost);
        }

        let units_min = seats.len() / 2 + 1;
        let liveness = watch::Sender::new(Liveness { sequencers: vec![own], units: vec![own.storage], units_min });
        let parts = VirtualLogParts {
            config: VirtualLogConfig { log: log_id, kind: LogletKind::NATIVE, takeover_after: TAKEOVER_AFTER },
            meta: meta.clone(),
            providers: vec![
                Arc::new(NativeProvider::new(peers.clone(), peers.clone(), Arc::clone(&seams.clock))),
                Arc::new(MemoryProvider::default()),
            ],
            alive: liveness.subscribe(),
            clock: Arc::clone(&seams.clock),
            entropy: Arc::clone(&seams.entropy),
        };
        let log = if founders.is_some() {
            open_log(parts, own.storage, nodes.clone(), &liveness, units_min).await?
        } else {
            VirtualLog::start(parts).await?
        };
        beat.set_log(log.clone());
        if founders.is_some() {
            let driver = Driver::new(DriverParts {
                log: log.clone(),
                own,
                states: nodes.clone(),
                newest_chain: news.subscribe(),
                meta_leader: {
                    let meta = meta.clone();
                    Box::new(move || meta.leader())
                },
                units_min: watch::Sender::new(units_min).subscribe(),
                liveness,
                clock: Arc::clone(&seams.clock),
            });
            drives.send(driver).map_err(|_| StartError::Lost)?;
        }
        // etcd's cluster id is fixed at the first start. The flags of a later start do not change it. If the node is
        // alone, the cluster id is the id of its log.
        let cluster = founders.as_ref().map_or(log_id.0, |founders| founders.seat.cluster().0);
        let roster = Roster { cluster, seats, keepers: peers.clone() };
        let peers = founders.is_some().then_some(peers);
        let workers = vec![handle];
        Ok(Opened {
            context,
            bound,
            workers,
            local_store,
            store,
            log_server,
            meta,
            log,
            log_id,
            member,
            incarnation: own,
            roster,
            nodes,
            beat,
            leases,
            peers,
            snapshots,
        })
    }
}

fn heartbeats(context: &Context, own: Incarnation, peers: &Peers, beat: &Arc<OwnBeat>) -> Arc<Heartbeats> {
    let clock = Arc::clone(&context.seams.clock);
    let nodes = watch::Sender::new(peers.nodes()).subscribe();
    let mine = Arc::clone(beat);
    let detector = Detector::new(DetectorConfig::default());
    let every = HEARTBEAT_MAX.min(context.config.heartbeat);
    Arc::new(Heartbeats::new(own, nodes, every, clock, detector, Box::new(move || mine.now())))
}

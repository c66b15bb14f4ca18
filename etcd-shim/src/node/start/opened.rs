//! The second step: [`Opened`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use naxos_client::failure::{
    Admission, Detector, DetectorConfig, Driver, DriverParts, Electorate, Heartbeats, NodeState, StartMemory,
};
use naxos_client::loglets::{CorfuProvider, MemoryProvider, NativeProvider};
use naxos_client::{Liveness, LogletProvider, VirtualLog, VirtualLogConfig, VirtualLogParts};
use naxos_log_server::meta::{MetaConfig, MetaReplica, ReplicaSlot, found_register};
use naxos_log_server::{FoundJournal, LogServer};
use naxos_proto::chain::LogletKind;
use naxos_proto::contracts::{ClusterView, Join, StartMark};
use naxos_proto::ids::{ChainVersion, Incarnation, LogId, MemberId, StorageId};
use naxos_proto::peer::{
    ChainNews, ChecksumsService, FoundingService, HeartbeatService, Home, JoiningService, MetaService,
    SequencerService, SnapshotsService, SyncedNews, UnitService,
};
use naxos_proto::release::{ClusterVersion, IS_NEXT_RELEASE};
use naxos_proto::seams::{Seams, Tasks, WorkerHandle, is_full};
use naxos_sequencer::LocalSequencer;
use tokio::sync::{oneshot, watch};
use tonic::service::Routes;

use super::catch_up::OpenStore;
use super::context::Context;
use super::found::Found;
use super::start_error::StartError;
use crate::backend::{LeaseDeskSlot, Roster};
use crate::config::ServerConfig;
use crate::node::cluster::open_log::open_log;
use crate::node::cluster::peer_worker::{PeerWork, PeerWorker, start_peer_worker};
use crate::node::cluster::{
    AddressBook, JoinDesk, OwnBeat, PeerPort, Peers, Reconciler, Removal, SnapshotDesk, Starts, check_seat,
    mark_old_copy, meta_voting, roles, servers_min, take_seat, wait_until_admitted, write_members,
};
use crate::node::ids;
use crate::node::replicas::ChecksumDesk;
use crate::port::BoundPort;
use crate::state::SharedStore;
use crate::tls::TlsError;

/// How long a sealed loglet may be without a successor before this node makes one.
const TAKEOVER_AFTER: Duration = Duration::from_millis(200);
/// The longest time between two heartbeats. `--heartbeat-interval` can make it shorter, but not longer.
const HEARTBEAT_MAX: Duration = Duration::from_millis(50);

/// The storage unit and the MetaStore's replica run, other nodes can reach this one, and the log is open. The boot number
/// of this process is durable. If this node is alone, the active segment of the chain names this process; else some node
/// sees to it that the active segment names a process that is alive.
pub(super) struct Opened {
    pub(super) context: Context,
    pub(super) bound: BoundPort,
    pub(super) workers: Vec<WorkerHandle>,
    pub(super) log_server: LogServer,
    pub(super) meta: Arc<MetaReplica>,
    pub(super) log: Arc<VirtualLog>,
    pub(super) sequencer: Arc<LocalSequencer>,
    pub(super) log_id: LogId,
    pub(super) member: MemberId,
    pub(super) incarnation: Incarnation,
    /// The mark of this start.
    pub(super) start: StartMark,
    /// The starts of the other nodes.
    pub(super) starts: Arc<dyn StartMemory>,
    pub(super) roster: Roster,
    pub(super) nodes: watch::Receiver<BTreeMap<StorageId, NodeState>>,
    pub(super) beat: Arc<OwnBeat>,
    /// Where the other nodes find this node as the keeper of leases, once it has a backend.
    pub(super) leases: Arc<LeaseDeskSlot>,
    /// How the other nodes are reached.
    pub(super) peers: Arc<Peers>,
    /// Where the other nodes ask for snapshots, once this node has replayed the log.
    pub(super) snapshots: Arc<SnapshotDesk>,
    /// Where the replicas ask for the checksums of this one, once this node has replayed the log.
    pub(super) checksums: Arc<ChecksumDesk>,
    /// Makes links, voters and view follow the seats of the members.
    pub(super) reconciler: Reconciler,
    /// Whether the cluster has only this data directory, as far as is known.
    pub(super) is_alone: bool,
    /// The log is trimmed only as far as this many members have made the state durable.
    pub(super) servers_min: Arc<AtomicUsize>,
}

/// The data directories that have a seat, in the view of the cluster, and those that lost a seat, each with its member.
struct Seated {
    view: ClusterView,
    /// What was written into the file `members`, or the default value if that failed: then it is tried again. A cluster
    /// of one member needs no file: then this is the view.
    written: ClusterView,
    lost: Vec<(StorageId, MemberId)>,
    /// Whether the view is newer than what this node has known.
    is_told: bool,
}

/// Finds out which data directory has which seat, and writes that down for the next start. Before that, a new data
/// directory gets the seat of its member. `known` is what this node has known up to now.
async fn seated(
    seams: &Seams,
    book: &AddressBook,
    known: ClusterView,
    journal: &FoundJournal,
    store: Option<&SharedStore>,
) -> Result<Seated, StartError> {
    let (log, member, storage) = (journal.log(), journal.member(), journal.storage_id());
    let join = Join { log, member, storage, understood: ClusterVersion::NEWEST };
    let had_seat = known.seats.get(&member) == Some(&storage);
    let told = if had_seat { check_seat(seams, book, join).await? } else { Some(take_seat(seams, book, join).await?) };
    let is_told = told.as_ref().is_some_and(|told| told.at > known.at);
    let view = ClusterView::newest([known].into_iter().chain(told)).expect("one view is known");
    // The others may know of a version that this data directory has not heard of.
    view.version.check()?;
    book.set_all(&view);
    let mut written = view.clone();
    if view.seats.len() > 1
        && let Err(error) = write_members(&*seams.disk, &view).await
    {
        // A node that had this seat before can find the others without the file. It still serves reads, and tries again.
        if !(is_full(&error) && had_seat) {
            return Err(StartError::Members(error));
        }
        tracing::warn!(%error, "the file \"members\" cannot be written; trying again");
        written = ClusterView::default();
    }
    let mut lost: BTreeMap<StorageId, MemberId> =
        store.map(|store| store.read().seats.lost().collect()).unwrap_or_default();
    lost.extend(view.founders.iter().map(|(member, storage)| (*storage, *member)));
    lost.retain(|storage, _| view.seats.values().all(|held| held != storage));
    Ok(Seated { view, written, lost: lost.into_iter().collect(), is_told })
}

/// The voters, if the others have told a newer view. While the voters are being changed, the view does not name them:
/// then all members that may vote count as voters.
fn told_voters(view: &ClusterView, is_told: bool) -> Option<BTreeSet<StorageId>> {
    let voters = if view.voters.is_empty() { meta_voting(view) } else { view.voters.clone() };
    is_told.then_some(voters)
}

/// Where the members are: as the view says, or as the flags say if the members are not in the log yet.
fn address_book(config: &ServerConfig, seams: &Seams, known: &ClusterView) -> Result<AddressBook, TlsError> {
    let book = AddressBook::new(Arc::clone(&seams.net), config.clone());
    if known.members.is_empty() {
        for urls in config.cluster.members.values() {
            let member = MemberId(ids::member_id(urls, &config.cluster.token));
            book.set(member, urls).map_err(|e| TlsError::Peers(Box::new(e)))?;
        }
    } else {
        book.set_all(known);
    }
    Ok(book)
}

impl Found {
    /// Starts the storage unit, the MetaStore's replica and the calls between nodes, and opens the log. Also returns
    /// the local store, if this process replays the log.
    pub(super) async fn open(self) -> Result<(Opened, Option<OpenStore>), StartError> {
        let Found { context, bound, peer_tls, founders, known, begin, journal, store } = self;
        let (seams, stops) = (&context.seams, &context.stops);
        let (log_id, member) = (journal.log(), journal.member());
        let book = Arc::new(address_book(&context.config, seams, &known)?);
        let Seated { view, written, lost, is_told } =
            seated(seams, &book, known, &journal, store.as_ref().map(|(_, store)| &**store)).await?;
        let seated: BTreeSet<StorageId> = view.seats.values().copied().collect();
        let starts = Starts::read(Arc::clone(&seams.disk), journal.storage_id(), &seated).await;
        let starts = Arc::new(starts.map_err(StartError::Starts)?);
        let remembered = found_register(&journal)?.voters;
        let found = journal.batches();
        let log_server = journal.start(stops.unit.clone()).await?;
        let unit = log_server.unit().clone();
        let own = Incarnation { storage: log_server.storage_id(), boot: log_server.boot() };

        let news = Arc::new(ChainNews::new(ChainVersion(0)));
        let tasks = Tasks::new(Arc::clone(&seams.worker), stops.running.clone());
        let start = StartMark { boot: own.boot, nonce: seams.entropy.u64() };
        let replicas = remembered.iter().flatten().copied().collect();
        let voters = if remembered.is_empty() { vec![seated.clone()] } else { remembered };
        let electorate = Electorate { voters, told: told_voters(&view, is_told), seated };
        let admission = Arc::new(Admission::new(own.storage, start, starts.history(), found, electorate));
        let (admitted, clock) = (admission.admitted(), Arc::clone(&seams.clock));
        let synced = {
            let unit = unit.clone();
            SyncedNews::new(own.boot, move || unit.synced_batches())
        };
        let home = Home { log: log_id, me: own, news: news.clone(), synced: synced.clone(), admitted, clock, tasks };
        let stop = stops.running.clone();
        let lock = log_server.lock();
        let made = start_peer_worker(&*seams.worker, home.clone(), unit.clone(), book, stop, lock).await;
        let PeerWorker { handle, peers, work } = made.ok_or(StartError::Lost)?;
        peers.follow(&view.seats, lost.iter().copied(), &replicas);
        starts.begin(start, peers.nodes());
        let sequencer = Arc::new(LocalSequencer::new(own, peers.clone(), Arc::clone(&seams.clock)));
        peers.set_sequencer(sequencer.clone());
        // A replica that joins learns the voters from the other replicas.
        let voters = if founders.joins { Vec::new() } else { founders.seats.values().copied().collect() };
        let meta_config = MetaConfig { voters, ..MetaConfig::alone(own.storage) };
        let replica = Arc::new(ReplicaSlot::default());

        let memory = Arc::clone(&starts) as Arc<dyn StartMemory>;
        let beat = OwnBeat::new(own, unit.clone(), news.clone(), synced, Arc::clone(&admission), Arc::clone(&memory));
        let beat = Arc::new(beat);
        let heartbeats = heartbeats(&context, own, &peers, &beat, Arc::clone(&admission), Arc::clone(&memory));
        let nodes = heartbeats.states();
        beat.set_nodes(nodes.clone());
        let leases = Arc::new(LeaseDeskSlot::default());
        let snapshots = Arc::new(SnapshotDesk::default());
        let checksums = Arc::new(ChecksumDesk::default());
        let (joins, asked) = JoinDesk::new();
        let port = PeerPort::bind(&seams.net, &context.config.listen_peer_urls, peer_tls.as_ref()).await?;
        let routes = Routes::new(UnitService::server(&home, unit.clone()))
            .add_service(SequencerService::server(&home, sequencer.clone()))
            .add_service(MetaService::server(&home, replica.clone()))
            .add_service(HeartbeatService::server(&home, beat.clone()))
            .add_service(naxos_proto::peer::LeaseKeeperService::server(&home, leases.clone()))
            .add_service(SnapshotsService::server(&home, snapshots.clone()))
            .add_service(ChecksumsService::server(&home, checksums.clone()))
            .add_service(JoiningService::server(log_id, Arc::new(joins)))
            .add_service(FoundingService::server(founders.seat.clone()));
        let (drives, driver) = oneshot::channel();
        let corfu = Arc::new(CorfuProvider::new(peers.clone(), peers.clone(), Arc::clone(&seams.clock)));
        let handed = PeerWork {
            port,
            routes,
            sequencer: Arc::clone(&sequencer),
            corfu: corfu.clone(),
            heartbeats: heartbeats.clone(),
            admission: Arc::clone(&admission),
            starts,
            disk: Arc::clone(&seams.disk),
            driver,
        };
        if work.send(handed).is_err() {
            return Err(StartError::Lost);
        }
        // The replica must not vote before this node is admitted: an old copy has forgotten its last vote.
        if let Err(disowned) = wait_until_admitted(&admission, &*seams.clock).await {
            mark_old_copy(&*seams.disk, &disowned).await;
            return Err(disowned.into());
        }
        let meta = MetaReplica::start(&log_server, seams, meta_config, peers.replicas(), stops.meta.clone()).await?;
        replica.set(meta.clone());

        let roles = roles(&view, &meta.voters(), lost.into_iter().map(|(storage, _)| storage));
        let units_min = roles.units_min;
        let roles = watch::Sender::new(roles);
        let liveness =
            watch::Sender::new(Liveness { sequencers: vec![own], units: vec![own.storage], silent: vec![], units_min });
        let mut providers: Vec<Arc<dyn LogletProvider>> =
            vec![Arc::new(native_provider(&peers, seams)), corfu, Arc::new(MemoryProvider::default())];
        if IS_NEXT_RELEASE {
            providers.push(Arc::new(native_provider(&peers, seams).with_kind(LogletKind::NEXT)));
        }
        let parts = VirtualLogParts {
            config: VirtualLogConfig { log: log_id, kind: LogletKind::NATIVE, begin, takeover_after: TAKEOVER_AFTER },
            meta: meta.clone(),
            providers,
            alive: liveness.subscribe(),
            clock: Arc::clone(&seams.clock),
            entropy: Arc::clone(&seams.entropy),
        };
        let is_alone = view.seats.len() == 1;
        let log = if is_alone {
            VirtualLog::start(parts).await?
        } else {
            let roles = roles.borrow().clone();
            open_log(parts, own.storage, nodes.clone(), &liveness, &roles).await?
        };
        beat.set_log(log.clone());
        let driver = Driver::new(DriverParts {
            log: log.clone(),
            own,
            states: nodes.clone(),
            reach: {
                let heartbeats = Arc::clone(&heartbeats);
                Box::new(move || heartbeats.reach())
            },
            newest_chain: news.subscribe(),
            meta_leader: {
                let meta = meta.clone();
                Box::new(move || meta.leader())
            },
            yield_meta: {
                let meta = meta.clone();
                Box::new(move || {
                    let meta = meta.clone();
                    Box::pin(async move { meta.yield_leadership().await })
                })
            },
            roles: roles.subscribe(),
            liveness,
            clock: Arc::clone(&seams.clock),
        });
        drives.send(driver).map_err(|_| StartError::Lost)?;
        let names = founders.names();
        let seats = watch::Sender::new(view.seats.clone());
        let strangers = heartbeats.strangers();
        let heard = Box::new(move |storage| heartbeats.beat(storage));
        let (cluster, keepers) = (names.cluster.0, peers.clone());
        let roster = Roster { cluster, seats: seats.subscribe(), keepers, strangers, heard };
        let servers_min = Arc::new(AtomicUsize::new(servers_min(&view)));
        let reconciler = Reconciler {
            names,
            peers: peers.clone(),
            meta: meta.clone(),
            seats,
            roles,
            servers_min: Arc::clone(&servers_min),
            asked,
            written,
            removal: Removal::default(),
        };
        let workers = vec![handle];
        let opened = Opened {
            context,
            bound,
            workers,
            log_server,
            meta,
            log,
            sequencer,
            log_id,
            member,
            incarnation: own,
            start,
            starts: memory,
            roster,
            nodes,
            beat,
            leases,
            peers,
            snapshots,
            checksums,
            reconciler,
            is_alone,
            servers_min,
        };
        Ok((opened, store))
    }
}

fn native_provider(peers: &Arc<Peers>, seams: &Seams) -> NativeProvider {
    NativeProvider::new(peers.clone(), peers.clone(), Arc::clone(&seams.clock))
}

fn heartbeats(
    context: &Context,
    own: Incarnation,
    peers: &Peers,
    beat: &Arc<OwnBeat>,
    admission: Arc<Admission>,
    memory: Arc<dyn StartMemory>,
) -> Arc<Heartbeats> {
    let clock = Arc::clone(&context.seams.clock);
    let nodes = peers.nodes();
    let mine = Arc::clone(beat);
    let detector = Detector::new(DetectorConfig::default());
    let every = HEARTBEAT_MAX.min(context.config.heartbeat);
    let mine = Box::new(move || mine.now());
    Arc::new(Heartbeats::new(own, nodes, every, clock, detector, mine, admission, memory))
}

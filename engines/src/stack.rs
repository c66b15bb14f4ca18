//! The production stack, top to bottom: application / Batching / Compression / Session / ViewTracking / Base / shared log. An
//! Observer is above each engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::future::join4;
use naxos_client::{LogError, SharedLog};
use naxos_proto::ids::{EngineId, Incarnation, LogId, Lsn};
use naxos_proto::release::ClusterVersion;
use naxos_proto::seams::Clock;
use tokio_util::sync::CancellationToken;

use crate::base::{self, Base, BaseConfig, Control, Genesis, UnknownEngine};
use crate::batching::{self, Application, Batching, BatchingApply, Reply};
use crate::compression::{self, Compression, CompressionApply};
use crate::engine::{ApplyCost, Engine, EngineInfo, EngineSwitch, ProposeError};
use crate::local_store::{LocalStore, StoreReader};
use crate::observer::{self, Observed, Observer, ObserverApply};
use crate::read_gate::ReadGate;
use crate::reply_port::Waiter;
use crate::session::{self, Session, SessionApply, SessionParts};
use crate::view_tracking::{self, HeldLog, ViewTracking, ViewTrackingApply, ViewTrackingParts};

type Up<P> = ObserverApply<ViewTrackingApply<OnView<P>>>;
type OnView<P> = ObserverApply<SessionApply<OnSession<P>>>;
type OnSession<P> = ObserverApply<CompressionApply<OnCompression<P>>>;
type OnCompression<P> = ObserverApply<BatchingApply<P>>;

/// What [`Stack::new`] needs.
pub struct StackConfig {
    /// The log to run on.
    pub log: Arc<dyn SharedLog>,
    /// The id of the log, for its genesis.
    pub log_id: LogId,
    /// The storage and boot count of this process.
    pub incarnation: Incarnation,
    /// The clock for the wall time in headers and for waits.
    pub clock: Arc<dyn Clock>,
    /// How much of the log a server that is away may hold back.
    pub held: HeldLog,
}

/// Why a stack does not start.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The log cannot be read.
    #[error("the log cannot be replayed: {0}")]
    Log(#[from] LogError),
    /// The genesis or the session could not be proposed.
    #[error("the log takes no entries: {0}")]
    Propose(#[from] ProposeError),
}

/// A running stack of engines.
pub struct Stack<P: Application> {
    base: Arc<Base<Up<P>>>,
    view: Arc<ViewTracking>,
    session: Arc<Session>,
    /// What is directly below Batching.
    top: Arc<dyn Engine>,
    batching: Arc<Batching<P::Output>>,
    reader: StoreReader,
    switches: BTreeMap<EngineId, EngineSwitch>,
    observed: [Arc<Observed>; 5],
    log_id: LogId,
}

/// The state of an engine, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineStatus {
    /// The engine's id.
    pub id: EngineId,
    /// The engine's name.
    pub name: &'static str,
    /// What the engine does, in a few words.
    pub summary: &'static str,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Whether it can be turned off.
    pub switchable: bool,
    /// The position of the command that last turned the engine on or off. 0 if it is as the genesis left it.
    pub since: Lsn,
}

/// The engines of this binary, lowest first. A new engine adds its line here and its place in [`Stack::new`].
pub const ENGINES: [EngineInfo; 6] =
    [base::INFO, view_tracking::INFO, session::INFO, compression::INFO, batching::INFO, observer::INFO];

fn switches() -> BTreeMap<EngineId, EngineSwitch> {
    ENGINES.iter().filter(|e| e.is_switchable).map(|e| (e.id, EngineSwitch::default())).collect()
}

/// The genesis of a new log: the engines are on that begin so.
pub fn genesis(log: LogId) -> Genesis {
    let on = ENGINES.iter().filter(|engine| engine.is_switchable && engine.is_on_at_first);
    let engines = BTreeSet::from_iter(on.map(|engine| engine.id)).into_iter().collect();
    Genesis { log, cluster_version: ClusterVersion::FIRST.0, engines }
}

/// Refuses a store in which an engine is on that this binary does not have.
///
/// # Errors
/// If there is one. Panics if a row of the engines is damaged, as [`read_rows`] does.
pub fn check_engines(reader: &StoreReader) -> Result<(), UnknownEngine> {
    base::check_engines(reader, &switches())
}

/// Reads the same rows as [`Stack::new`] and, like it, panics if one is damaged. For
/// [`FoundStore::load`](crate::local_store::FoundStore::load).
pub fn read_rows(reader: &StoreReader) {
    base::load_switches(reader, &switches());
    ENGINES.iter().for_each(|engine| (engine.read_rows)(reader));
}

impl<P: Application> Stack<P> {
    /// Builds the stack on `store`. Nothing is applied yet.
    pub fn new(config: StackConfig, store: LocalStore, application: P) -> Arc<Self> {
        let reader = store.reader();
        let below_view = Arc::new(OnceLock::new());
        let below_batching = Arc::new(OnceLock::new());
        let switches = switches();
        let switch = |id| switches[&id].clone();

        let of = |engine: EngineInfo| Observed::new(engine.name, switch(observer::INFO.id), Arc::clone(&config.clock));
        let observed = [base::INFO, view_tracking::INFO, session::INFO, compression::INFO, batching::INFO].map(of);
        let [on_base, on_view, on_session, on_compression, on_batching] = &observed;

        let batching =
            Batching::new(config.incarnation, switch(batching::INFO.id), Arc::clone(&below_batching), reader.clone());
        let session_parts = SessionParts::new(config.incarnation, switch(session::INFO.id));
        let up = ObserverApply::new(BatchingApply::new(application, Arc::clone(&batching)), on_batching);
        let up = ObserverApply::new(CompressionApply::new(up), on_compression);
        let up = ObserverApply::new(session_parts.upper(up, &reader), on_session);
        let storage = config.incarnation.storage;
        let view_parts = ViewTrackingParts::new(
            storage,
            switch(view_tracking::INFO.id),
            &reader,
            Arc::clone(&config.held.servers_min),
        );
        let up = ObserverApply::new(view_parts.upper(up, Arc::clone(&below_view)), on_view);

        let base_config = BaseConfig {
            log: config.log,
            incarnation: config.incarnation,
            clock: Arc::clone(&config.clock),
            switches: switches.clone(),
        };
        let base = Base::new(base_config, store, up);
        let base_engine: Arc<dyn Engine> = Observer::above(base.clone(), on_base);
        let view = view_parts.lower(Arc::clone(&base_engine), Arc::clone(&config.clock), config.held);
        let session = session_parts.lower(Observer::above(view.clone(), on_view), config.clock);
        let observer = Observer::above(session.clone(), on_session);
        let compression = Compression::new(observer, switch(compression::INFO.id));
        let top: Arc<dyn Engine> = Observer::above(compression, on_compression);
        // These are set only here, so they cannot be set already.
        let _ = below_view.set(base_engine);
        let _ = below_batching.set(Arc::clone(&top));
        Arc::new(Self { base, view, session, top, batching, reader, switches, observed, log_id: config.log_id })
    }

    /// Replays the log, writes its genesis if the log is new, and opens this process's session. After that the stack
    /// serves. The apply Worker ([`Self::run`]) must be running. Returns the next position to apply.
    pub async fn start(&self) -> Result<Lsn, StackError> {
        let tail = self.replay().await?;
        if tail == Lsn::ZERO {
            self.base.propose_control(Control::Genesis(genesis(self.log_id))).await?;
        }
        self.session.open().await?;
        Ok(self.reader.applied())
    }

    /// Applies everything up to the tail of the log, and returns the tail. Proposes nothing, so that it also works with a
    /// log that can only be read.
    pub async fn replay(&self) -> Result<Lsn, StackError> {
        let tail = self.base.replay().await?;
        self.reader.note_replayed();
        Ok(tail)
    }

    /// The body of the apply Worker.
    pub async fn run(&self, stop: CancellationToken) {
        self.base.run(stop).await;
    }

    /// The engines' background work, such as trimming the log and finding out the outcomes of proposals. Runs on the
    /// control Worker.
    pub async fn tend(&self, stop: CancellationToken) {
        let (base, view) = (self.base.tend(stop.clone()), self.view.tend(stop.clone()));
        join4(base, view, self.session.tend(stop.clone()), self.batching.tend(stop)).await;
    }

    /// The servers for which the log is kept.
    pub fn view(&self) -> &Arc<ViewTracking> {
        &self.view
    }

    /// Resolves when the log does not hold the next entry to apply any more. The stack can then apply nothing, and the
    /// node has to start again from a snapshot. Waits for ever if that does not happen.
    /// # Cancel safety: nothing is lost when dropped.
    pub async fn fell_behind(&self) {
        self.base.fell_behind().await;
    }

    /// Proposes a command. `cost` says how long apply takes for it. It is sent when the waiter's port flushes.
    pub fn propose(&self, command: Bytes, cost: ApplyCost, waiter: Waiter<Reply<P::Output>>) {
        self.batching.propose(command, cost, waiter);
    }

    /// Sends the proposed commands. The ports' dispatchers call it.
    pub fn flush(&self) {
        self.batching.flush();
    }

    /// A new gate for the linearizable reads of one runtime.
    pub fn read_gate(&self) -> Arc<ReadGate> {
        ReadGate::new(Arc::clone(&self.top))
    }

    /// A reader of the local store.
    pub fn reader(&self) -> &StoreReader {
        &self.reader
    }

    /// The position up to which the log may be trimmed.
    pub fn trim_point(&self) -> Lsn {
        self.base.trim_point()
    }

    /// What the Observer has measured, the lowest engine first.
    pub fn observed(&self) -> &[Arc<Observed>] {
        &self.observed
    }

    /// The state of all engines of this binary.
    pub fn engines(&self) -> Vec<EngineStatus> {
        let status = |engine: EngineInfo| {
            let switch = self.switches.get(&engine.id);
            let (enabled, since) = switch.map_or((true, Lsn::ZERO), EngineSwitch::state);
            EngineStatus {
                id: engine.id,
                name: engine.name,
                summary: engine.summary,
                enabled,
                switchable: engine.is_switchable,
                since,
            }
        };
        ENGINES.map(status).to_vec()
    }

    /// Turns an engine on or off by a command in the log. Returns the command's position.
    pub async fn switch(&self, engine: EngineId, on: bool) -> Result<Lsn, ProposeError> {
        if !self.switches.contains_key(&engine) {
            let engines = self.engines();
            let name = engines.iter().find(|e| e.id == engine).map_or("?", |e| e.name);
            let switchable: Vec<_> = engines.iter().filter(|e| e.switchable).map(|e| e.name).collect();
            return Err(ProposeError::NotSwitchable { engine: name, switchable: switchable.join(", ") });
        }
        self.base.propose_control(Control::Switch(engine, on)).await
    }

    /// Fails the commands that still wait to be proposed.
    pub fn shut(&self) {
        self.batching.shut();
    }
}

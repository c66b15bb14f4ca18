//! The virtual log: a chain of loglets, kept in the MetaStore (Delos, OSDI'20, section 3).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use naxos_proto::chain::{Chain, LogletKind, Segment};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, CellState, MetaStore};
use naxos_proto::ids::{ChainVersion, LogId, LogletId, Lsn, StorageId};
use naxos_proto::seams::{Clock, Entropy};
use naxos_proto::tail::Tail;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::append_gate::AppendGate;
use crate::loglet::{Liveness, Loglet, LogletError, LogletProvider};
use crate::reconfigure::ReconfigureError;
use crate::shared_log::{LogError, Record, SharedLog};

/// Sealed segments whose loglets are kept open for reading.
const OPEN_LOGLETS_MAX: usize = 64;

/// What a virtual log is made of.
pub struct VirtualLogConfig {
    /// The log.
    pub log: LogId,
    /// The kind of loglet that a first chain gets.
    pub kind: LogletKind,
    /// How long a seal without a successor is left to whoever began the change.
    pub takeover_after: Duration,
}

/// The chain as this process knows it, and the loglet that takes appends.
pub(crate) struct Active {
    pub(crate) version: ChainVersion,
    pub(crate) chain: Chain,
    pub(crate) loglet: Arc<dyn Loglet>,
}

impl Active {
    fn start(&self) -> Lsn {
        self.chain.active().start
    }
}

/// See the module. One for each log and process.
pub struct VirtualLog {
    pub(crate) config: VirtualLogConfig,
    pub(crate) meta: Arc<dyn MetaStore>,
    pub(crate) providers: BTreeMap<LogletKind, Arc<dyn LogletProvider>>,
    pub(crate) alive: Box<dyn Fn() -> Liveness + Send + Sync>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) active: ArcSwap<Active>,
    pub(crate) gate: Arc<AppendGate>,
    pub(crate) reconfiguring: tokio::sync::Mutex<()>,
    /// Told when an append or a tail check meets a seal.
    pub(crate) seal_met: Arc<Notify>,
    sealed_loglets: Mutex<BTreeMap<LogletId, Arc<dyn Loglet>>>,
}

impl VirtualLog {
    /// Reads or makes the chain, then reconfigures: a start of the process that sequences is a reconfiguration, since
    /// a loglet has one incarnation for life (safety rule 4).
    pub async fn open(
        config: VirtualLogConfig,
        meta: Arc<dyn MetaStore>,
        providers: Vec<Arc<dyn LogletProvider>>,
        alive: Box<dyn Fn() -> Liveness + Send + Sync>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Arc<VirtualLog>, ReconfigureError> {
        let providers: BTreeMap<_, _> = providers.into_iter().map(|p| (p.kind(), p)).collect();
        let start = crate::reconfigure::start(&config, &*meta, &providers, &alive(), &*entropy).await?;
        let seal_met = Arc::new(Notify::new());
        let notify = Arc::clone(&seal_met);
        let gate = AppendGate::new(
            Arc::clone(&start.loglet),
            start.start(),
            // One permit is kept: a seal met before anyone waits is not forgotten.
            Box::new(move || notify.notify_one()),
        );
        Ok(Arc::new(VirtualLog {
            config,
            meta,
            providers,
            alive,
            clock,
            entropy,
            active: ArcSwap::from_pointee(start),
            gate,
            reconfiguring: tokio::sync::Mutex::new(()),
            seal_met,
            sealed_loglets: Mutex::new(BTreeMap::new()),
        }))
    }

    /// The chain as this process knows it, and its version.
    pub fn chain(&self) -> (ChainVersion, Chain) {
        let active = self.active.load();
        (active.version, active.chain.clone())
    }

    fn loglet_of(&self, active: &Active, lsn: Lsn) -> Result<(Arc<dyn Loglet>, Lsn, Option<Lsn>), LogError> {
        let segment = active.chain.segment_of(lsn).ok_or(LogError::Trimmed(active.chain.start()))?;
        if segment.params.id == active.loglet.params().id {
            return Ok((Arc::clone(&active.loglet), segment.start, None));
        }
        let mut open = self.sealed_loglets.lock();
        let found = match open.get(&segment.params.id) {
            Some(l) => Arc::clone(l),
            None => {
                let loglet = open_loglet(&self.providers, segment.params.kind, |p| p.open(&segment.params))?;
                if open.len() >= OPEN_LOGLETS_MAX {
                    open.pop_first();
                }
                open.insert(segment.params.id, Arc::clone(&loglet));
                loglet
            }
        };
        Ok((found, segment.start, segment.end))
    }

    async fn read_some(&self, from: Lsn, below: Lsn, max_bytes: usize) -> Result<(Vec<Record>, Lsn), LogError> {
        if from >= below {
            return Ok((Vec::new(), from));
        }
        let active = self.active.load_full();
        let (loglet, start, end) = self.loglet_of(&active, from)?;
        // Safety rule 2: the chain, not the loglet, says where the segment ends.
        let below = end.map_or(below, |end| end.min(below));
        let offset = |lsn: Lsn| naxos_proto::ids::Offset(lsn.distance_from(start));
        let cells = loglet.read(offset(from)..offset(below), max_bytes).await.map_err(unavailable)?;
        let mut records = Vec::with_capacity(cells.len());
        let mut at = from;
        for cell in cells {
            match cell {
                CellState::Present(payload) => records.push(Record { lsn: at, payload }),
                CellState::Junk => {}
                CellState::Trimmed => return Err(LogError::Trimmed(at.next())),
                CellState::Absent | CellState::Corrupt => return Err(LogError::Lost(at, format!("{cell:?}"))),
            }
            at = at.next();
        }
        if at == from {
            return Err(LogError::Lost(from, "no storage unit answers with it".to_owned()));
        }
        Ok((records, at))
    }

    async fn find_tail(&self) -> Result<Lsn, LogError> {
        loop {
            let active = self.active.load_full();
            match active.loglet.check_tail().await.map_err(unavailable)? {
                Tail::Open(offset) => return Ok(active.start().plus(offset.0)),
                // The tail of a sealed loglet is not the log's: the chain says where the segment ends.
                Tail::Sealed(_) => self.wait_for_successor(active.version).await?,
            }
        }
    }

    async fn wait_for_successor(&self, seen: ChainVersion) -> Result<(), LogError> {
        self.seal_met.notify_one();
        let step = Duration::from_millis(1);
        let deadline = self.clock.now().after(self.config.takeover_after * 4);
        while self.active.load().version == seen {
            if self.clock.now() >= deadline {
                return Err(LogError::Unavailable("the loglet is sealed and has no successor yet".to_owned()));
            }
            self.clock.sleep(step).await;
        }
        Ok(())
    }

    /// Drops segments wholly below `up_to` from the chain, then frees their loglets.
    async fn trim_chain(&self, up_to: Lsn) -> Result<(), LogError> {
        let _one = self.reconfiguring.lock().await;
        let active = self.active.load_full();
        let chain = active.chain.trimmed(up_to);
        let gone = active.chain.segments.len() - chain.segments.len();
        if gone > 0 {
            let version = crate::reconfigure::install(&*self.meta, active.version, &chain)
                .await
                .map_err(|e| LogError::Unavailable(e.to_string()))?;
            self.active.store(Arc::new(Active { version, chain, loglet: Arc::clone(&active.loglet) }));
            for segment in &active.chain.segments[..gone] {
                self.sealed_loglets.lock().remove(&segment.params.id);
                let loglet = open_loglet(&self.providers, segment.params.kind, |p| p.open(&segment.params))?;
                loglet.discard().await.map_err(unavailable)?;
            }
            self.raise_floors(&active.chain.segments[..gone]).await?;
        }
        Ok(())
    }

    /// Folds the tombstones of the segments that have left the chain, and whatever else their units hold of loglets that
    /// no chain names any more: orphans of lost races, and loglets whose discarding was cut short. A loser has the
    /// ordinal of its winner, so the floor stays below the lowest one that the chain names (safety rule 5).
    async fn raise_floors(&self, gone: &[Segment]) -> Result<(), LogError> {
        let active = self.active.load_full();
        let mut told: Vec<&[StorageId]> = Vec::new();
        for params in gone.iter().map(|s| &s.params) {
            let named = active.chain.segments.iter().map(|s| s.params.id).filter(|id| id.log == params.id.log);
            let Some(lowest) = named.map(|id| id.ordinal).min() else { continue };
            if told.contains(&&params.units[..]) {
                continue;
            }
            let Some(provider) = self.providers.get(&params.kind) else { continue };
            provider.raise_floor(params, lowest).await.map_err(unavailable)?;
            told.push(&params.units);
        }
        Ok(())
    }
}

pub(crate) fn unavailable(e: LogletError) -> LogError {
    LogError::Unavailable(e.to_string())
}

/// Opens a loglet by the provider of its kind.
pub(crate) fn open_loglet(
    providers: &BTreeMap<LogletKind, Arc<dyn LogletProvider>>,
    kind: LogletKind,
    open: impl FnOnce(&dyn LogletProvider) -> Result<Arc<dyn Loglet>, LogletError>,
) -> Result<Arc<dyn Loglet>, LogError> {
    let provider = providers
        .get(&kind)
        .ok_or_else(|| LogError::Unavailable(format!("this process has no loglets of kind {}", kind.name())))?;
    open(&**provider).map_err(unavailable)
}

impl SharedLog for VirtualLog {
    fn append(&self, batch: Vec<Cell>, done: Completion<Result<Lsn, AppendError>>) {
        self.gate.append(batch, done);
    }

    fn check_tail(&self) -> BoxFuture<'_, Result<Lsn, LogError>> {
        Box::pin(self.find_tail())
    }

    fn check_tail_now(&self) -> Option<Lsn> {
        let active = self.active.load();
        match active.loglet.check_tail_now()? {
            Tail::Open(offset) => Some(active.start().plus(offset.0)),
            Tail::Sealed(_) => None,
        }
    }

    fn read(&self, from: Lsn, below: Lsn, max_bytes: usize) -> BoxFuture<'_, Result<(Vec<Record>, Lsn), LogError>> {
        Box::pin(self.read_some(from, below, max_bytes))
    }

    fn trim(&self, up_to: Lsn) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(async move {
            // The cells first: that makes room on a full disk, and the metadata store may need room to take a chain.
            let active = self.active.load_full();
            for segment in active.chain.segments.iter().filter(|s| s.start < up_to) {
                let (loglet, start, end) = self.loglet_of(&active, segment.start)?;
                let up_to = end.map_or(up_to, |end| end.min(up_to));
                loglet.trim(naxos_proto::ids::Offset(up_to.distance_from(start))).await.map_err(unavailable)?;
            }
            self.trim_chain(up_to).await
        })
    }

    fn ordinal(&self) -> u64 {
        self.active.load().chain.active().params.id.ordinal
    }
}

//! Base: applies the log to the local store, answers syncs, and trims the log (Delos, SOSP'21, section 3.1).
//!
//! - [`header`]: which process proposed an entry and when; genesis; engine switches
//! - [`player`]: applies entries in order, on the thread that has the next one; [`feed`]: entries of other processes
//!
//! An entry of this process is applied from memory as soon as it is durable. The thread that learns of this applies
//! it, unless other work waits for that thread; then the apply Worker does. The log is read at the start. Later it is
//! needed only for entries that this process did not keep in memory: those of other processes, and control entries.

mod feed;
mod header;
mod player;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use naxos_client::{LogError, SharedLog};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell};
use naxos_proto::ids::{EngineId, Incarnation, Lsn};
use naxos_proto::seams::Clock;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use header::{Control, Genesis, Header, UnknownEngine};
pub(crate) use header::{check_engines, load_switches};
use player::{Own, Player};

use crate::engine::EngineInfo;
use crate::engine::{Applicator, Engine, EngineSwitch, Proposal};
use crate::local_store::{LocalStore, StoreReader};

/// The description of this engine. Its rows are the switches of the other engines, which the stack reads.
pub const INFO: EngineInfo = EngineInfo {
    id: EngineId(1),
    name: "base",
    summary: "plays the log into the local store",
    is_switchable: false,
    is_on_at_first: true,
    read_rows: |_| (),
};

/// Least time between two messages about trims that fail. A unit whose disk is lost never frees its part of an old segment.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// Least time between two trims.
const TRIM_INTERVAL: Duration = Duration::from_millis(500);

/// What [`Base::new`] needs.
pub struct BaseConfig {
    /// The log to play.
    pub log: Arc<dyn SharedLog>,
    /// The process that proposes through this Base.
    pub incarnation: Incarnation,
    /// The clock for the wall time in headers and for waits.
    pub clock: Arc<dyn Clock>,
    /// The engines of this binary that can be turned on and off.
    pub switches: BTreeMap<EngineId, EngineSwitch>,
}

/// The lower half of the lowest engine.
pub struct Base<A: Applicator> {
    player: Arc<Player<A>>,
    log: Arc<dyn SharedLog>,
    incarnation: Incarnation,
    clock: Arc<dyn Clock>,
    reader: StoreReader,
    trim_point: AtomicU64,
    trim_wanted: Notify,
}

impl<A: Applicator> Base<A> {
    /// Makes Base on `store`. It applies nothing before [`Self::replay`].
    pub fn new(config: BaseConfig, store: LocalStore, up: A) -> Arc<Self> {
        let reader = store.reader();
        load_switches(&reader, &config.switches);
        Arc::new(Self {
            player: Player::new(Arc::clone(&config.log), store, up, config.switches, Arc::clone(&config.clock)),
            log: config.log,
            incarnation: config.incarnation,
            clock: config.clock,
            reader,
            trim_point: AtomicU64::new(0),
            trim_wanted: Notify::new(),
        })
    }

    /// Applies everything that is durable now, and returns the tail of the log. Called at the start, before anything is
    /// served.
    pub async fn replay(&self) -> Result<Lsn, LogError> {
        // A start that is tried again already follows the log and may apply entries meanwhile. So the applied position
        // is read before the tail.
        let applied = self.reader.applied();
        let tail = self.log.check_tail().await?;
        if applied > tail {
            let why =
                format!("the local store has applied up to {applied}, so its file and the journal are not a pair");
            return Err(LogError::Lost(tail, why));
        }
        self.player.play_to(tail).await?;
        self.player.follow();
        Ok(tail)
    }

    /// The body of the apply Worker. It applies the entries that the delivering thread left to it, and reads missing
    /// entries from the log.
    pub async fn run(&self, stop: CancellationToken) {
        self.player.run(stop).await;
    }

    /// Trims the log each time the trim point has risen, until `stop`. A trim that failed is not repeated before the
    /// point rises again.
    pub async fn tend(&self, stop: CancellationToken) {
        let (mut trimmed, mut told) = (Lsn::ZERO, None);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.trim_wanted.notified() => {}
            }
            let up_to = Lsn(self.trim_point.load(Ordering::Acquire));
            if up_to > trimmed {
                match self.log.trim(up_to).await {
                    Ok(()) => trimmed = up_to,
                    Err(e) if told.is_none_or(|told| self.clock.now().since(told) >= TELL_EVERY) => {
                        told = Some(self.clock.now());
                        tracing::warn!(error = %e, up_to = up_to.0, "the log could not be trimmed everywhere");
                    }
                    Err(e) => tracing::debug!(error = %e, up_to = up_to.0, "the log could not be trimmed everywhere"),
                }
            }
            self.clock.sleep(TRIM_INTERVAL).await;
        }
    }

    /// Resolves when the log no longer holds the next entry to apply.
    pub async fn fell_behind(&self) {
        self.player.fell_behind().await;
    }

    /// The position up to which the log may be trimmed, as far as this process knows: no server of the view needs the
    /// entries below it. Zero until the engines above have set one.
    pub fn trim_point(&self) -> Lsn {
        Lsn(self.trim_point.load(Ordering::Acquire))
    }

    fn header(&self, control: Control) -> Header {
        Header { proposer: self.incarnation, wall: self.clock.wall(), control }
    }

    /// Proposes a control entry, which only Base applies. Resolves once it is applied here.
    pub async fn propose_control(&self, control: Control) -> Result<Lsn, crate::ProposeError> {
        let mut entry = crate::Entry::default();
        entry.set_header(INFO.id, self.header(control).encode());
        let (done, appended) = Completion::channel();
        self.log.append(vec![Cell::new(entry.encode())], done);
        let lsn = appended.await?;
        self.player.ask_for(lsn.next());
        self.player.wait_for(lsn.next()).await;
        Ok(lsn)
    }
}

impl<A: Applicator> Engine for Base<A> {
    fn below(&self) -> Option<&dyn Engine> {
        None
    }

    fn propose(&self, proposal: Proposal) {
        let Proposal { mut entry, commands, cost, settled } = proposal;
        entry.set_header(INFO.id, self.header(Control::None).encode());
        let cell = Cell { commands, ..Cell::new(entry.encode()) };
        let player = Arc::clone(&self.player);
        player.own_sets_out();
        let done = Completion::on_thread(move |outcome: Result<Lsn, AppendError>, load| match outcome {
            Ok(lsn) => player.deliver(lsn, Own { entry, cost, settled }, load),
            Err(e) => {
                player.own_failed();
                settled.complete(Err(e.into()));
            }
        });
        self.log.append(vec![cell], done);
    }

    fn sync(&self) -> BoxFuture<'_, Result<Lsn, LogError>> {
        Box::pin(async {
            let tail = self.log.check_tail().await?;
            self.player.wait_for_own(tail).await;
            if self.reader.applied() < tail {
                self.player.ask_for(tail);
                self.player.wait_for(tail).await;
            }
            Ok(self.reader.applied())
        })
    }

    fn sync_now(&self) -> Option<Lsn> {
        let tail = self.log.check_tail_now()?;
        let applied = self.reader.applied();
        (applied >= tail).then_some(applied)
    }

    fn set_trim_point(&self, lsn: Lsn) {
        if self.trim_point.fetch_max(lsn.0, Ordering::AcqRel) < lsn.0 {
            self.trim_wanted.notify_one();
        }
    }
}

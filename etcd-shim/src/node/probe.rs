//! [`Probe`]: looks into a running node, for tests that check rules which no client can see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use futures::stream::BoxStream;
use naxos_client::{LogError, Record, SharedLog};
use naxos_proto::chain::Chain;
use naxos_proto::contracts::{CellState, LocalTail, StartMark, StorageUnit, UnitError};
use naxos_proto::ids::{ChainVersion, Incarnation, LogletId, Lsn, Offset, StorageId};
use parking_lot::Mutex;

use super::part_inside::PartInside;
use crate::backend::Backend;
pub use crate::state::Keeper;
pub use naxos_sequencer::Granted;

/// What a node holds at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// The data directory of the node, and its boot.
    pub incarnation: Incarnation,
    /// The mark of the node's start.
    pub start: StartMark,
    /// What the node has noted of the starts of the others.
    pub starts: Vec<(StorageId, StartMark)>,
    /// The first position that is not applied.
    pub applied: Lsn,
    /// The checksum of all changes below `applied`.
    pub checksum: u64,
    /// The newest chain that the node knows.
    pub chain: (ChainVersion, Chain),
    /// The tail of the chain's active loglet on the node's own storage unit. `None` if the unit does not hold it.
    pub tail: Option<LocalTail>,
    /// The tails of the chain's sealed loglets that the node's own storage unit holds.
    pub sealed: Vec<(LogletId, LocalTail)>,
    /// The chain's loglets that the node's own storage unit has dropped, because a newer chain does not name them.
    pub dropped: Vec<LogletId>,
    /// The chain's loglets that the node's own storage unit holds, and the sequencers that they belong to there.
    pub owners: Vec<(LogletId, Incarnation)>,
    /// How far the sequencer of the process has got with the loglets that it serves.
    pub granted: Vec<Granted>,
    /// The position from which a start would replay.
    pub persisted: Lsn,
    /// The position from which each server needs the log, and whether that position is a hold.
    pub view: Vec<(StorageId, Lsn, bool)>,
    /// How many times a server was left out of the view since the start.
    pub ejections: u64,
    /// The position up to which the node wants the log to be trimmed.
    pub trim_point: Lsn,
    /// The data directories whose replicas of the MetaStore vote. Empty while they are being changed.
    pub voters: BTreeSet<StorageId>,
    /// The keeper of leases in office at `applied`.
    pub keeper: Keeper,
    /// The queues of the node: the name of each, how many elements it has now, and how many it may have.
    pub queues: Vec<(&'static str, u64, u64)>,
}

/// A cell that a storage unit holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreshCell {
    /// The loglet.
    pub loglet: LogletId,
    /// The offset.
    pub at: Offset,
    /// What the unit holds there: bytes or junk.
    pub state: CellState,
}

/// Looks into a node. It does not keep the node alive.
#[derive(Clone)]
pub struct Probe {
    inside: Inside,
    /// The tails up to which [`Self::fresh_cells`] has told the cells.
    told: Arc<Mutex<BTreeMap<LogletId, Offset>>>,
}

#[derive(Clone)]
enum Inside {
    Node(Weak<Backend>),
    Part(Weak<PartInside>),
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

impl Probe {
    pub(super) fn of_node(backend: &Arc<Backend>) -> Self {
        Self { inside: Inside::Node(Arc::downgrade(backend)), told: Arc::default() }
    }

    pub(super) fn of_part(part: &Arc<PartInside>) -> Self {
        Self { inside: Inside::Part(Arc::downgrade(part)), told: Arc::default() }
    }

    /// What the node holds now. `None` if it has ended. A log server or a sequencer replays no log: it has applied nothing
    /// and has an empty view.
    pub fn look(&self) -> Option<View> {
        match &self.inside {
            Inside::Node(backend) => {
                let backend = backend.upgrade()?;
                Some(View {
                    applied: backend.reader.applied(),
                    checksum: backend.reader.checksum(),
                    persisted: backend.reader.persisted(),
                    view: backend.stack.view().positions(),
                    ejections: backend.stack.view().ejections(),
                    trim_point: backend.stack.trim_point(),
                    keeper: backend.keeper.in_office(),
                    ..view_of(&parts_of(&backend))
                })
            }
            Inside::Part(part) => Some(view_of(&*part.upgrade()?)),
        }
    }

    /// Follows the log of the node from the first position that is not applied, as a program does that uses the log. Also
    /// returns that position. `None` if the node has ended, or if it replays no log.
    pub fn follow(&self) -> Option<(Lsn, BoxStream<'static, Result<(Vec<Record>, Lsn), LogError>>)> {
        let Inside::Node(backend) = &self.inside else { return None };
        let backend = backend.upgrade()?;
        let from = backend.reader.applied();
        Some((from, Arc::clone(&backend.log).follow(from)))
    }

    /// The cells that the node's own storage unit has got since the last call. Those that have left the memory since then,
    /// or that came below the tail, are left out.
    pub fn fresh_cells(&self) -> Vec<FreshCell> {
        let parts = match &self.inside {
            Inside::Node(backend) => backend.upgrade().map(|backend| (backend.log.chain(), Arc::clone(&backend.unit))),
            Inside::Part(part) => part.upgrade().map(|part| (part.log.chain(), Arc::clone(&part.unit))),
        };
        let Some(((_, chain), unit)) = parts else { return Vec::new() };
        let (mut told, mut fresh) = (self.told.lock(), Vec::new());
        for loglet in chain.segments.iter().map(|segment| segment.params.id) {
            let Some(Ok(LocalTail { tail, .. })) = unit.tail_now(loglet) else { continue };
            let from = std::mem::replace(told.entry(loglet).or_default(), tail);
            if from < tail {
                let cells = unit.cells_in_memory(loglet, from..tail);
                fresh.extend(cells.into_iter().map(|(at, state)| FreshCell { loglet, at, state }));
            }
        }
        fresh
    }
}

/// The parts of a node below its engine stack.
fn parts_of(backend: &Backend) -> PartInside {
    PartInside {
        incarnation: backend.incarnation,
        start: backend.start,
        starts: Arc::clone(&backend.starts),
        log: Arc::clone(&backend.log),
        unit: Arc::clone(&backend.unit),
        sequencer: Arc::clone(&backend.sequencer),
        meta: Arc::clone(&backend.meta),
    }
}

/// What these parts hold. The fields of the engine stack, such as `applied`, are zero or empty.
fn view_of(parts: &PartInside) -> View {
    let PartInside { incarnation, start, starts, log, unit, sequencer, meta } = parts;
    let chain = log.chain();
    let tail_of = |loglet| unit.tail_now(loglet).and_then(Result::ok);
    let tail = tail_of(chain.1.active().params.id);
    let ended = chain.1.segments.iter().filter(|segment| segment.end.is_some()).map(|segment| segment.params.id);
    let sealed = ended.filter_map(|loglet| Some((loglet, tail_of(loglet)?))).collect();
    let loglets = || chain.1.segments.iter().map(|segment| segment.params.id);
    let is_dropped = |loglet: &LogletId| matches!(unit.tail_now(*loglet), Some(Err(UnitError::Dropped(_))));
    let dropped = loglets().filter(is_dropped).collect();
    let owners = loglets().filter_map(|loglet| Some((loglet, unit.owner(loglet)?))).collect();
    let granted = sequencer.granted();
    let (stores, stores_max) = unit.stores_queued();
    let mut queues = vec![("commands of the unit", stores, stores_max)];
    let native = granted.iter().filter(|loglet| loglet.in_flight_max > 0);
    queues.extend(native.map(|g| ("batches of the sequencer", g.in_flight as u64, g.in_flight_max as u64)));
    View {
        incarnation: *incarnation,
        start: *start,
        starts: starts.noted(),
        applied: Lsn::ZERO,
        checksum: 0,
        chain,
        tail,
        sealed,
        dropped,
        owners,
        granted,
        persisted: Lsn::ZERO,
        view: Vec::new(),
        ejections: 0,
        trim_point: Lsn::ZERO,
        voters: meta.voters(),
        keeper: Keeper::default(),
        queues,
    }
}

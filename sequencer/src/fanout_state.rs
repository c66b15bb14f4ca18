//! [`FanoutState`]: what a fan-out knows under its lock: the grants, the streams, and one lane for each unit. Nothing here
//! calls a unit or runs a completion.

use std::time::Duration;

use naxos_proto::completion::Completion;
use naxos_proto::contracts::{AppendError, Cell, Refusal};
use naxos_proto::ids::Offset;
use naxos_proto::seams::Instant;

use crate::answer::Answer;
use crate::grants::{Grants, Settled};
use crate::in_flight_max::InFlightMax;
use crate::lane::{Lane, LaneMax};
use crate::late_refusals::LateRefusals;
use crate::stream_table::StreamTable;

/// At most this much of a loglet may be in flight. Beyond it appends are refused.
const IN_FLIGHT_MAX: InFlightMax = InFlightMax { batches: 4_096, bytes: 512 << 20 };
/// A lane with more batches or bytes than this drops committed batches. At most `out` of its stores are unanswered.
const LANE_MAX: LaneMax = LaneMax { out: 1_024, batches: 4_096, bytes: 64 << 20 };

/// How long a lane rests after its first failure. Each further failure doubles this.
const REST_MIN: Duration = Duration::from_millis(2);
/// The longest rest of a lane.
const REST_MAX: Duration = Duration::from_millis(500);

/// What receives the outcome of an append.
pub(crate) type Done = Completion<Result<Offset, AppendError>>;

/// A unit and its lane.
pub(crate) struct UnitLane {
    pub(crate) lane: Lane,
    /// Whether a thread is sending this lane's stores.
    pub(crate) is_sending: bool,
    /// When the lane may send again, if it rests.
    pub(crate) rests_until: Option<Instant>,
    /// How long the next rest will be.
    pub(crate) next_rest: Duration,
}

pub(crate) struct FanoutState {
    pub(crate) grants: Grants<Done>,
    pub(crate) streams: StreamTable,
    pub(crate) late_refusals: LateRefusals<Done>,
    pub(crate) lanes: Vec<UnitLane>,
    /// When the units on other nodes are to be told the known tail.
    pub(crate) advance_at: Option<Instant>,
    /// The known tail that the units on other nodes were last told without a store.
    pub(crate) advanced: Offset,
    /// Whether a thread is running completions.
    pub(crate) is_draining: bool,
    /// Whether a successor is served. Then the lanes are emptied as soon as no batch is in flight.
    pub(crate) is_retired: bool,
}

impl FanoutState {
    pub(crate) fn new(units: usize, write_quorum: usize, streams: StreamTable) -> Self {
        let lane = || UnitLane {
            // A store to the only unit never leaves the process, so it arrives there once (see `grants`).
            lane: Lane::new(units > 1, LANE_MAX),
            is_sending: false,
            rests_until: None,
            next_rest: REST_MIN,
        };
        Self {
            grants: Grants::new(units, write_quorum, IN_FLIGHT_MAX),
            streams,
            late_refusals: LateRefusals::new(),
            lanes: std::iter::repeat_with(lane).take(units).collect(),
            advance_at: None,
            advanced: Offset::ZERO,
            is_draining: false,
            is_retired: false,
        }
    }

    /// Takes out the oldest batch, if its outcome is known.
    pub(crate) fn settle(&mut self) -> Option<Settled<Done>> {
        let granted = self.grants.next();
        let settled = self.grants.settle()?;
        self.streams.settled(self.grants.known_tail());
        if self.grants.next() < granted {
            self.streams.take_back(self.grants.next());
        }
        Some(settled)
    }

    /// Grants offsets to a batch and puts it into the lanes. Returns the first offset. If the batch is refused, returns
    /// `done` with the reason, or `None` if the refusal is told later.
    pub(crate) fn enqueue(&mut self, mut batch: Vec<Cell>, done: Done) -> Result<Offset, Option<(Done, AppendError)>> {
        if let Some(full) = self.disk_full() {
            return Err(Some((done, full.into())));
        }
        if let Some(refusal) = self.streams.refusal(&batch, self.grants.next()) {
            let end = self.streams.end_of_refused(&refusal).filter(|end| *end > self.grants.known_tail());
            let now = match end {
                Some(end) if !self.grants.is_idle() => self.late_refusals.hold(end, done, refusal),
                _ => Some((done, refusal)),
            };
            return Err(now.map(|(done, refusal)| (done, refusal.into())));
        }
        let bytes = batch.iter().map(|cell| cell.payload.len() as u64).sum();
        let grant = self.grants.grant(batch.len() as u64, bytes, done).map_err(Some)?;
        self.streams.fill(&mut batch, grant.at);
        let mut cells = Some(batch);
        let last = self.lanes.len() - 1;
        for (unit, on_unit) in self.lanes.iter_mut().enumerate() {
            let cells = if unit == last { cells.take() } else { cells.clone() }.expect("taken by the last unit only");
            if let Some(answer) = on_unit.lane.push(grant, cells, bytes) {
                self.grants.answer(grant.id, unit, answer);
            }
        }
        Ok(grant.at)
    }

    /// The refusal of a unit whose disk is full, if too many disks are full for a write quorum. An append without room
    /// is refused before offsets are granted (`docs/protocol.md`, cluster 2).
    fn disk_full(&self) -> Option<Refusal> {
        let mut full = self.lanes.iter().filter_map(|l| l.lane.disk_full());
        full.nth(self.grants.spare_units()).cloned()
    }

    /// Takes the answer of one unit. Returns whether its lane begins to rest.
    pub(crate) fn answered(&mut self, id: u64, unit: usize, answer: Answer, now: impl FnOnce() -> Instant) -> bool {
        let on_unit = &mut self.lanes[unit];
        if answer == Answer::Durable {
            on_unit.next_rest = REST_MIN;
        }
        let last = on_unit.lane.answer(id, answer);
        let rests = on_unit.lane.failed().is_some() && on_unit.rests_until.is_none();
        if rests {
            on_unit.rests_until = Some(now().after(on_unit.next_rest));
            on_unit.next_rest = REST_MAX.min(on_unit.next_rest * 2);
        }
        for (id, answer) in last {
            self.grants.answer(id, unit, answer);
        }
        rests
    }
}

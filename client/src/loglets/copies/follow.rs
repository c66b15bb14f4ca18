//! Following a loglet: the stream comes from the nearest unit. Cells that this unit lacks are read from the others.
//! Cells that reach this unit late, because its disk is slow or hangs, are read from the others too. If a unit cannot be
//! followed, the next one is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use naxos_proto::contracts::{CellState, Followed, StorageUnit, UnitError};
use naxos_proto::ids::Offset;
use naxos_proto::seams::Instant;

use super::Copies;
use super::read::is_known;
use crate::loglet::LogletError;

/// Cells that the nearest unit lacks are read in pieces of about this many bytes.
const GAP_BYTES: usize = 1 << 20;

/// How long the unit that is followed may lack cells that are known to be committed. After that these cells are read
/// from the other units.
const LATE_AFTER: Duration = Duration::from_millis(50);

/// How long a unit of another process is followed before the unit of this process is tried again. The loglet may not have
/// been open on it: a loglet begins when it is open on a write quorum of its units.
const FAR_FOR: Duration = Duration::from_secs(1);

type UnitStream = BoxStream<'static, Result<Followed, UnitError>>;

/// The position of one follower.
struct Follower {
    copies: Arc<Copies>,
    next: Offset,
    /// The units to follow, nearest first. `unit` is the index of the one that is followed now, and `other` is the index of
    /// the one that is followed if the first one cannot be.
    units: Vec<Arc<dyn StorageUnit>>,
    unit: usize,
    other: usize,
    stream: Option<UnitStream>,
    /// All cells below this offset are committed, but the unit that is followed lacks some of them from `next` on.
    gap_end: Offset,
    /// All cells below this offset are committed, by what the unit that is followed has told.
    known_tail: Offset,
    /// When to read from the other units, if the unit that is followed still lacks cells below `known_tail` then.
    late_at: Option<Instant>,
    /// When to try the unit of this process again, if another one is followed.
    back_at: Option<Instant>,
    /// The errors of the units that could not be followed since the last item, by their indexes.
    errors: BTreeMap<usize, UnitError>,
    ended: bool,
}

impl Copies {
    /// The body of `Loglet::follow`.
    pub(in crate::loglets) fn follow(
        self: Arc<Self>,
        from: Offset,
    ) -> BoxStream<'static, Result<Followed, LogletError>> {
        let units = self.nearest_first().into_iter().cloned().collect();
        let follower = Follower {
            copies: self,
            next: from,
            units,
            unit: 0,
            other: 1,
            stream: None,
            gap_end: Offset::ZERO,
            known_tail: Offset::ZERO,
            late_at: None,
            back_at: None,
            errors: BTreeMap::new(),
            ended: false,
        };
        stream::unfold(follower, |mut follower| async move {
            if follower.ended {
                return None;
            }
            let item = follower.item().await;
            follower.ended = matches!(item, Err(_) | Ok(Followed::Sealed(_)));
            Some((item, follower))
        })
        .boxed()
    }
}

impl Follower {
    async fn item(&mut self) -> Result<Followed, LogletError> {
        loop {
            if self.next < self.gap_end {
                let cells = self.copies.read_cells(self.next..self.gap_end, GAP_BYTES).await?;
                return Ok(self.cells(self.next, cells));
            }
            if self.errors.len() == self.units.len() {
                let errors: Vec<_> = self.errors.values().cloned().collect();
                return Err(self.copies.unavailable("can be followed", &errors));
            }
            let (id, unit) = (self.copies.loglet, &self.units[self.unit]);
            let stream = self.stream.get_or_insert_with(|| unit.follow(id, self.next));
            let (clock, late_at, back_at) = (&self.copies.clock, self.late_at, self.back_at);
            // The blocks make a timer only if no item is there yet.
            let is_late = async { clock.sleep_until(late_at.unwrap_or(Instant(0))).await };
            let may_go_back = async { clock.sleep_until(back_at.unwrap_or(Instant(0))).await };
            let item = tokio::select! {
                biased;
                item = stream.next() => item,
                () = is_late, if late_at.is_some() => {
                    self.gap_end = self.known_tail;
                    self.stream = None;
                    continue;
                }
                () = may_go_back, if back_at.is_some() => {
                    // A unit that has failed meanwhile may work again.
                    self.errors.clear();
                    self.follow_unit(0);
                    continue;
                }
            };
            match item {
                Some(Ok(Followed::Cells { at, mut cells })) => {
                    let known = cells.iter().take_while(|c| is_known(c)).count();
                    if known < cells.len() {
                        // The missing cells are read from the other units. Then this unit is followed again.
                        self.gap_end = at.plus(cells.len() as u64);
                        self.stream = None;
                        cells.truncate(known);
                    }
                    if !cells.is_empty() {
                        return Ok(self.cells(at, cells));
                    }
                    self.next = at;
                }
                Some(Ok(item)) => {
                    if let Followed::KnownTail(known_tail) = item {
                        self.known_tail = self.known_tail.max(known_tail);
                        self.late_at = self.late_at.or_else(|| self.late());
                    }
                    self.errors.clear();
                    return Ok(item);
                }
                Some(Err(e)) => self.give_up_unit(e),
                None => self.give_up_unit(UnitError::Unanswered),
            }
        }
    }

    fn cells(&mut self, at: Offset, cells: Vec<CellState>) -> Followed {
        self.errors.clear();
        self.next = at.plus(cells.len() as u64);
        self.late_at = self.late();
        Followed::Cells { at, cells }
    }

    /// When the unit that is followed is late; `None` if it lacks nothing.
    fn late(&self) -> Option<Instant> {
        (self.next < self.known_tail).then(|| self.copies.clock.now().after(LATE_AFTER))
    }

    fn give_up_unit(&mut self, why: UnitError) {
        self.errors.insert(self.unit, why);
        if self.unit == 0 {
            return self.follow_unit(self.other);
        }
        self.other = self.unit % (self.units.len() - 1) + 1;
        self.follow_unit(0);
    }

    /// Follows the unit with the index `unit` next.
    fn follow_unit(&mut self, unit: usize) {
        (self.unit, self.stream) = (unit, None);
        let is_far = unit > 0 && self.copies.is_near.contains(&true);
        self.back_at = is_far.then(|| self.copies.clock.now().after(FAR_FOR));
    }
}

//! [`UnitChain`]: the units of one Corfu loglet, in their order, and what this process knows about the loglet.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use naxos_proto::contracts::{Purpose, Refusal, SequencerDirectory, Shape, StorageUnit, UnitParams};
use naxos_proto::ids::{Incarnation, LogletId, Offset};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::loglets::copies::Copies;

/// See the module.
pub(super) struct UnitChain {
    pub(super) id: LogletId,
    /// The loglet's only sequencer.
    pub(super) owner: Incarnation,
    pub(super) sequencers: Arc<dyn SequencerDirectory>,
    /// The units, first to last.
    pub(super) copies: Arc<Copies>,
    /// Everything below is on every unit, as far as this process knows.
    known_tail: AtomicU64,
    /// The known tail that units of other processes were told last.
    told: AtomicU64,
    /// Where the chain of loglets ends this one, once this process knows it. `None` inside if it names the loglet no
    /// more.
    end: OnceLock<Option<Offset>>,
    /// Cancelled after `end` was set.
    ended: CancellationToken,
    /// For each unit the refusal that it gave last, if its disk was full and it has taken nothing since.
    full: Mutex<Vec<Option<Refusal>>>,
    /// How many offsets this process has filled with junk.
    pub(super) filled: AtomicU32,
}

impl UnitChain {
    pub(super) fn new(owner: Incarnation, sequencers: Arc<dyn SequencerDirectory>, copies: Copies) -> Self {
        Self {
            id: copies.loglet,
            owner,
            sequencers,
            full: Mutex::new(vec![None; copies.units.len()]),
            copies: Arc::new(copies),
            known_tail: AtomicU64::new(0),
            told: AtomicU64::new(0),
            end: OnceLock::new(),
            ended: CancellationToken::new(),
            filled: AtomicU32::new(0),
        }
    }

    pub(super) fn units(&self) -> &[Arc<dyn StorageUnit>] {
        &self.copies.units
    }

    /// The unit that decides which value an offset has.
    pub(super) fn first(&self) -> &dyn StorageUnit {
        &*self.copies.units[0]
    }

    /// The unit that has a cell only if all have it and everything below it.
    pub(super) fn last(&self) -> &dyn StorageUnit {
        &**self.copies.units.last().expect("a chain has a unit")
    }

    /// The parameters of the loglet on the unit with index `unit`.
    pub(super) fn on_unit(&self, unit: usize) -> UnitParams {
        let is_last = unit + 1 == self.copies.units.len();
        UnitParams { shape: if is_last { Shape::Contiguous } else { Shape::Sparse }, incarnation: self.owner }
    }

    /// The purpose of a store.
    pub(super) fn purpose(&self) -> Purpose {
        Purpose::Append { known_tail: Offset(self.known_tail.load(Ordering::Acquire)) }
    }

    /// Takes the news that everything below `tail` is on every unit, and tells the units of this process, whose followers
    /// get the cells then.
    pub(super) fn learn(&self, tail: Offset) {
        if self.known_tail.fetch_max(tail.0, Ordering::AcqRel) < tail.0 {
            self.copies.near_units().for_each(|unit| unit.advance(self.id, tail));
        }
    }

    /// Tells all units what is known. For times when no store carries it.
    pub(super) fn tell_known_tail(&self) {
        let known = self.known_tail.load(Ordering::Acquire);
        if self.told.fetch_max(known, Ordering::AcqRel) < known {
            self.copies.units.iter().for_each(|unit| unit.advance(self.id, Offset(known)));
        }
    }

    /// The chain of loglets has ended this one.
    pub(super) fn end(&self, end: Option<Offset>) {
        // The first news is as good as the second.
        let _ = self.end.set(end);
        self.ended.cancel();
    }

    /// Resolves when this process knows that the chain of loglets has ended this one. Returns where; `None` if it names
    /// the loglet no more.
    pub(super) async fn has_ended(&self) -> Option<Offset> {
        self.ended.cancelled().await;
        self.end.get().copied().flatten()
    }

    /// Whether this process knows that the chain of loglets has ended this one.
    pub(super) fn is_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Notes whether the unit with index `unit` has a full disk.
    pub(super) fn note_full(&self, unit: usize, refusal: Option<Refusal>) {
        self.full.lock()[unit] = refusal;
    }

    /// The refusal of a unit whose disk is full. Without it nothing can be appended.
    pub(super) fn full(&self) -> Option<Refusal> {
        self.full.lock().iter().flatten().next().cloned()
    }
}

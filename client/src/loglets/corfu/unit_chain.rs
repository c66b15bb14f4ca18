//! [`UnitChain`]: the units of one Corfu loglet in the order of the chain, and what this process knows about the loglet.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use naxos_proto::contracts::{Purpose, Refusal, SequencerDirectory, Shape, StorageUnit, UnitParams};
use naxos_proto::ids::{Incarnation, LogletId, Offset};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::seal_found::SealFound;
use crate::loglets::copies::Copies;

/// See the module.
pub(super) struct UnitChain {
    pub(super) id: LogletId,
    /// The loglet's only sequencer.
    pub(super) owner: Incarnation,
    pub(super) sequencers: Arc<dyn SequencerDirectory>,
    /// The units, in the order of the chain.
    pub(super) copies: Arc<Copies>,
    /// Everything below this offset is on every unit, as far as this process knows.
    known_tail: AtomicU64,
    /// The known tail that [`Self::tell_known_tail`] told last.
    told: AtomicU64,
    /// The end that the chain of loglets gives this one. Not set until this process knows it. `Some(None)` if the chain
    /// does not name the loglet any more.
    end: OnceLock<Option<Offset>>,
    /// Cancelled after `end` was set.
    ended: CancellationToken,
    /// For each unit: its last refusal because of a full disk, if the unit has taken nothing since.
    full: Mutex<Vec<Option<Refusal>>>,
    /// How many offsets this process has filled with junk.
    pub(super) filled: AtomicU32,
    pub(super) seal_found: Mutex<SealFound>,
}

impl UnitChain {
    pub(super) fn new(sequencers: Arc<dyn SequencerDirectory>, copies: Copies) -> Self {
        Self {
            id: copies.loglet,
            owner: copies.incarnation,
            sequencers,
            full: Mutex::new(vec![None; copies.units.len()]),
            copies: Arc::new(copies),
            known_tail: AtomicU64::new(0),
            told: AtomicU64::new(0),
            end: OnceLock::new(),
            ended: CancellationToken::new(),
            filled: AtomicU32::new(0),
            seal_found: Mutex::default(),
        }
    }

    pub(super) fn units(&self) -> &[Arc<dyn StorageUnit>] {
        &self.copies.units
    }

    /// The unit that decides which value an offset has.
    pub(super) fn first(&self) -> &dyn StorageUnit {
        &*self.copies.units[0]
    }

    /// The last unit. It has a cell only if every unit has that cell and everything below it.
    pub(super) fn last(&self) -> &dyn StorageUnit {
        &**self.copies.units.last().expect("a chain has a unit")
    }

    /// The parameters of the loglet on the unit with index `unit`.
    pub(super) fn on_unit(&self, unit: usize) -> UnitParams {
        let is_last = unit + 1 == self.copies.units.len();
        UnitParams { shape: if is_last { Shape::Contiguous } else { Shape::Sparse }, incarnation: self.owner }
    }

    /// The purpose of an append's store or fill.
    pub(super) fn purpose(&self) -> Purpose {
        Purpose::Append { known_tail: Offset(self.known_tail.load(Ordering::Acquire)) }
    }

    /// Notes that everything below `tail` is on every unit. Tells the units of this process, which then send the cells to
    /// their followers.
    pub(super) fn learn(&self, tail: Offset) {
        if self.known_tail.fetch_max(tail.0, Ordering::AcqRel) < tail.0 {
            self.copies.near_units().for_each(|unit| unit.advance(self.id, tail));
        }
    }

    /// Tells all units the known tail. Stores carry it too, so this is for times without stores.
    pub(super) fn tell_known_tail(&self) {
        let known = self.known_tail.load(Ordering::Acquire);
        if self.told.fetch_max(known, Ordering::AcqRel) < known {
            self.copies.units.iter().for_each(|unit| unit.advance(self.id, Offset(known)));
        }
    }

    /// Notes that the chain of loglets has ended this one at `end`. `None` if the chain does not name the loglet any more.
    pub(super) fn end(&self, end: Option<Offset>) {
        // The end of a segment does not change, so the first call is enough.
        let _ = self.end.set(end);
        self.ended.cancel();
    }

    /// Waits until this process knows that the chain of loglets has ended this one. Returns the end, or `None` if the
    /// chain does not name the loglet any more.
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

    /// The refusal of a unit whose disk is full, if there is one. Nothing can be appended without that unit.
    pub(super) fn full(&self) -> Option<Refusal> {
        self.full.lock().iter().flatten().next().cloned()
    }
}

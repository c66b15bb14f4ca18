//! A log whose ended segment is on three units, and spare units that no segment names.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_client::{MemoryMetaStore, ReconfigureError, SharedLog, UnitsChanged, VirtualLog, VirtualLogParts};
use naxos_proto::chain::{LogletKind, Segment};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{Cell, MetaStore, Purpose, StorageUnit, Store};
use naxos_proto::ids::{LogletId, Lsn, Offset, StorageId};
use naxos_proto::loglet_roles::LogletRoles;
use naxos_proto::seams::sim::{UnreliableUnit, Weather};
use naxos_proto::unit_change::UnitChange;

use crate::hooked_meta::HookedMeta;
use crate::networks::rig_behind_networks;
use crate::support::Rig;

/// The number of cells in the ended segment. They are so many, and so large, that they are copied in several steps.
pub(crate) const CELLS: u64 = 120;
const CELL_BYTES: usize = 8 << 10;
/// A unit with this weather is lost.
pub(crate) const LOST: Weather = Weather { lost: 1_000, ..CALM };
pub(crate) const CALM: Weather =
    Weather { lost: 0, unanswered: 0, repeated: 0, delay_min: Duration::ZERO, delay_max: Duration::ZERO };

/// Three units that hold a segment that has ended and an open segment, and one or two units that no segment names.
pub(crate) struct World {
    pub(crate) rig: Rig,
    /// The networks in front of the units, in the order of `units`.
    pub(crate) networks: Vec<Arc<UnreliableUnit>>,
    /// The ids of the units, ascending: those of the segments come first.
    pub(crate) units: Vec<StorageId>,
    pub(crate) meta: Arc<HookedMeta>,
    /// The process that makes the change.
    pub(crate) log: Arc<VirtualLog>,
    /// Another process.
    pub(crate) other: Arc<VirtualLog>,
    /// The loglet of the segment that has ended.
    pub(crate) ended: LogletId,
}

impl World {
    pub(crate) async fn new(kind: LogletKind, spares: usize) -> World {
        let (mut rig, networks) = rig_behind_networks(3 + spares as u64).await;
        let units = rig.alive.units.clone();
        rig.alive.units.truncate(3);
        let meta = Arc::new(HookedMeta::new(Arc::new(MemoryMetaStore::default())));
        let parts = |meta: Arc<dyn MetaStore>| {
            let mut parts = VirtualLogParts { meta, ..rig.parts() };
            parts.config.kind = kind;
            parts
        };
        let log = VirtualLog::start(parts(Arc::clone(&meta) as _)).await.unwrap();
        let ended = log.chain().1.active().params.id;
        for n in 0..CELLS {
            assert_eq!(append(&log, n).await, Lsn(n));
        }
        log.reconfigure(None).await.unwrap();
        // The calls of this process are not hooked.
        let other = VirtualLog::open(parts(meta.inner())).await.unwrap();
        World { rig, networks, units, meta, log, other, ended }
    }

    /// The change that puts the spare with this number in the place of the third unit.
    pub(crate) fn replace(&self, spare: usize) -> UnitChange {
        UnitChange::Replace { from: self.units[2], to: self.units[3 + spare] }
    }

    pub(crate) fn set_weather(&self, unit: usize, weather: Weather) {
        self.networks[unit].set_weather(weather);
    }

    pub(crate) async fn change(&self, change: &UnitChange) -> Result<UnitsChanged, ReconfigureError> {
        self.log.change_units(self.ended, change, &|| true).await
    }

    /// The numbers of the units that the ended segment names, according to the register.
    pub(crate) async fn named(&self) -> Vec<usize> {
        let segment = self.segment().await.expect("the segment is there");
        let roles = LogletRoles::of(&segment.params).unwrap();
        let number = |unit: &StorageId| self.units.iter().position(|known| known == unit).unwrap();
        let mut named: Vec<_> = roles.units.iter().map(number).collect();
        named.sort_unstable();
        named
    }

    /// The ended segment, according to the register. `None` if the chain does not name it any more.
    pub(crate) async fn segment(&self) -> Option<Segment> {
        let _ = self.other.adopt_newer(self.other.chain().0).await.unwrap();
        self.other.chain().1.segments.into_iter().find(|segment| segment.params.id == self.ended)
    }

    /// Checks that the unit is sealed and holds the cells of `range`, and nothing else.
    pub(crate) async fn check_holds(&self, unit: usize, range: std::ops::Range<u64>) {
        let (network, id) = (&self.networks[unit], self.ended);
        let tail = network.tail(id).await.unwrap();
        assert!(tail.sealed, "a copy of an ended segment takes no append");
        assert_eq!((tail.trim_point, tail.tail), (Offset(range.start), Offset(range.end)));
        let held = network.held(id, Offset(0)..Offset(9_999)).await.unwrap();
        assert_eq!(held, [Offset(range.start)..Offset(range.end)]);
    }

    /// Stores cells on one unit alone.
    pub(crate) async fn store(&self, unit: usize, loglet: LogletId, at: u64, cells: usize, purpose: Purpose) {
        let (done, stored) = Completion::channel();
        let (incarnation, at) = (self.rig.alive.sequencers[0], Offset(at));
        let cells = vec![Cell::new("cell".into()); cells];
        self.networks[unit].store(Store { loglet, incarnation, at, cells, purpose }, done);
        stored.await.unwrap();
    }

    pub(crate) async fn stop(self) {
        self.rig.stop().await;
    }
}

pub(crate) fn payload(n: u64) -> Bytes {
    Bytes::from(format!("{n:>CELL_BYTES$}"))
}

pub(crate) async fn append(log: &VirtualLog, n: u64) -> Lsn {
    let (done, outcome) = Completion::channel();
    log.append(vec![Cell::new(payload(n))], done);
    outcome.await.unwrap()
}

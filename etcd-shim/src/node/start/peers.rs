//! [`Peers`]: which process has which role. So far all roles are in this process: one storage unit and one sequencer.

use std::sync::{Arc, OnceLock};

use naxos_proto::contracts::{Sequencer, SequencerDirectory, StorageUnit, UnitDirectory};
use naxos_proto::ids::{Incarnation, StorageId};

/// The roles of this process.
#[derive(Default)]
pub(super) struct Peers {
    unit: OnceLock<Arc<dyn StorageUnit>>,
    sequencer: OnceLock<Arc<dyn Sequencer>>,
}

impl Peers {
    pub(super) fn set_unit(&self, unit: Arc<dyn StorageUnit>) {
        assert!(self.unit.set(unit).is_ok(), "a process has one storage unit");
    }

    pub(super) fn set_sequencer(&self, sequencer: Arc<dyn Sequencer>) {
        assert!(self.sequencer.set(sequencer).is_ok(), "a process has one sequencer");
    }
}

impl UnitDirectory for Peers {
    fn unit(&self, storage: StorageId) -> Option<Arc<dyn StorageUnit>> {
        self.unit.get().filter(|u| u.storage_id() == storage).cloned()
    }
}

impl SequencerDirectory for Peers {
    fn sequencer(&self, incarnation: Incarnation) -> Option<Arc<dyn Sequencer>> {
        self.sequencer.get().filter(|s| s.incarnation() == incarnation).cloned()
    }
}

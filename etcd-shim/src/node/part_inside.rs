//! [`PartInside`]: the parts of a node below its engine stack.

use std::sync::Arc;

use naxos_client::VirtualLog;
use naxos_client::failure::StartMemory;
use naxos_log_server::Unit;
use naxos_log_server::meta::MetaReplica;
use naxos_proto::contracts::StartMark;
use naxos_proto::ids::Incarnation;
use naxos_sequencer::LocalSequencer;

/// The parts of a node below its engine stack. A probe looks at them.
pub(super) struct PartInside {
    pub(super) incarnation: Incarnation,
    pub(super) start: StartMark,
    pub(super) starts: Arc<dyn StartMemory>,
    pub(super) log: Arc<VirtualLog>,
    pub(super) unit: Arc<Unit>,
    pub(super) sequencer: Arc<LocalSequencer>,
    pub(super) meta: Arc<MetaReplica>,
}

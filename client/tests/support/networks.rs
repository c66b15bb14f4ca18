//! Units behind networks that a test can disturb.

use std::sync::Arc;
use std::time::Duration;

use naxos_proto::contracts::StorageUnit;
use naxos_proto::seams::Clock;
use naxos_proto::seams::sim::{SimClock, UnreliableUnit};
use parking_lot::Mutex;

use crate::support::Rig;

/// `count` units and a sequencer that reaches them through networks. Also returns the networks, in the order of the units'
/// ids.
pub(crate) async fn rig_behind_networks(count: u64) -> (Rig, Vec<Arc<UnreliableUnit>>) {
    let networks: Mutex<Vec<Arc<UnreliableUnit>>> = Mutex::default();
    let clock: Arc<dyn Clock> = Arc::new(SimClock::new(Duration::ZERO));
    let behind = |unit| {
        let network = Arc::new(UnreliableUnit::new(unit, Arc::clone(&clock), 1));
        networks.lock().push(Arc::clone(&network));
        network as Arc<dyn StorageUnit>
    };
    let rig = Rig::over(count, behind, |sequencer| sequencer).await;
    let mut networks = networks.into_inner();
    networks.sort_by_key(|network| network.storage_id());
    (rig, networks)
}

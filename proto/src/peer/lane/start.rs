//! [`start`]: starts a lane.

use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};

use super::drive::drive;
use super::{Lane, Protocol};
use crate::peer::PeerLink;
use crate::peer::watched::Watched;

/// A lane whose task ends when this handle is dropped.
pub(in crate::peer) struct LaneHandle<P: Protocol> {
    lane: Arc<Lane<P>>,
    _stop: DropGuard,
}

impl<P: Protocol> std::ops::Deref for LaneHandle<P> {
    type Target = Lane<P>;

    fn deref(&self) -> &Lane<P> {
        &self.lane
    }
}

/// Starts a lane to the peer of `link`, with its task on the current runtime.
pub(in crate::peer) fn start<P: Protocol>(link: &Arc<PeerLink>) -> LaneHandle<P> {
    let home = link.home().clone();
    let lane = Arc::new(Lane { state: Watched::default(), home });
    let stop = CancellationToken::new();
    let body = drive(Arc::clone(&lane), Arc::clone(link), stop.clone());
    lane.home.tasks.start_until_stop(P::NAME, body);
    LaneHandle { lane, _stop: stop.drop_guard() }
}

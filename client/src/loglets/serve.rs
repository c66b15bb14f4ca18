//! [`serve`]: makes the sequencer of a loglet serve it.

use naxos_proto::chain::LogletParams;
use naxos_proto::contracts::SequencerDirectory;
use naxos_proto::ids::{Incarnation, Lsn};

use crate::loglet::LogletError;

/// Makes the sequencer `owner` serve the loglet with these parameters, which name it. Its first cell has
/// position `start`.
pub(super) async fn serve(
    sequencers: &dyn SequencerDirectory,
    params: &LogletParams,
    start: Lsn,
    owner: Incarnation,
) -> Result<(), LogletError> {
    match sequencers.sequencer(owner) {
        Some(sequencer) => sequencer.serve(params, start).await.map_err(|e| LogletError::NotServed(params.id, e)),
        // The sequencer died meanwhile. Appends will report that, and a reconfiguration will follow.
        None => Ok(()),
    }
}

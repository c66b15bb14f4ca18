//! [`stream_tails`]: asks the sequencer of a loglet for the newest entries of streams.

use std::sync::Arc;

use naxos_proto::contracts::Sequencer;
use naxos_proto::ids::{Incarnation, LogletId, StreamId};
use naxos_proto::streams::{STREAMS_ASKED_MAX, StreamTails};

use crate::loglet::LogletError;

/// Asks the sequencer `owner` for the newest entries of `streams` in `loglet`. `sequencer` is `None` if `owner` is not
/// known here.
pub(super) async fn stream_tails(
    sequencer: Option<&Arc<dyn Sequencer>>,
    owner: Incarnation,
    loglet: LogletId,
    streams: &[StreamId],
) -> Result<StreamTails, LogletError> {
    let asked = streams.len();
    if asked > STREAMS_ASKED_MAX {
        let why = format!("{asked} streams were asked for, expected at most {STREAMS_ASKED_MAX} at a time");
        return Err(LogletError::Unavailable(why));
    }
    let gone = |why: &str| LogletError::Unavailable(format!("sequencer {owner} {why}; a reconfiguration is due"));
    let sequencer = sequencer.ok_or_else(|| gone("is gone"))?;
    sequencer.stream_tails(loglet, streams).await.ok_or_else(|| gone("does not know the loglet's streams"))
}

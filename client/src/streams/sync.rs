//! [`sync`]: finds the newest entries of a stream.

use naxos_proto::ids::{Lsn, StreamId};
use naxos_proto::streams::BackPointers;

use crate::shared_log::{LogError, SharedLog};

/// How often the newest entries are asked for again because the log was reconfigured meanwhile.
const ATTEMPTS_MAX: u32 = 16;

/// Where the newest entries of `stream` are, below a position that is returned too. Every entry that was acknowledged
/// before the call is below that position.
///
/// The sequencer is asked first, and then the tail. If the tail is that of the same loglet, the loglet was still open when
/// the sequencer answered. At that time there was no later loglet, so the sequencer knew every position.
pub(super) async fn sync(log: &dyn SharedLog, stream: StreamId) -> Result<(BackPointers, Lsn), LogError> {
    for _ in 0..ATTEMPTS_MAX {
        let ordinal = log.ordinal();
        let known = log.stream_tails(&[stream]).await;
        let tail = log.check_tail().await?;
        if log.ordinal() != ordinal {
            continue;
        }
        let known = known?;
        let below = known.below.min(tail);
        let newest = known.tails.into_iter().next().unwrap_or_else(|| BackPointers::below(below));
        return Ok((newest, below));
    }
    Err(LogError::Unavailable(format!("the log was reconfigured {ATTEMPTS_MAX} times during one call")))
}

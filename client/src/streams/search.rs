//! [`search`]: finds entries of a stream by reading the log backwards.

use naxos_proto::ids::{Lsn, StreamId};
use naxos_proto::streams::BackPointers;

use super::entry::Entry;
use crate::shared_log::{LogError, SharedLog};

/// How many positions are read before the ones below them are looked at.
const STEP: u64 = 1_024;
/// About how many bytes one read returns.
const READ_BYTES: usize = 1 << 20;

/// Where an entry of the stream is, and where those before it are.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) position: Lsn,
    pub(super) before: BackPointers,
}

/// The entries of `stream` in the highest part of `down_to..below` that has any, ascending. Empty if there are none. An
/// error if the log is trimmed above `down_to`, and none is above that.
pub(super) async fn search(
    log: &dyn SharedLog,
    stream: StreamId,
    down_to: Lsn,
    below: Lsn,
) -> Result<Vec<Found>, LogError> {
    let mut end = below;
    while end > down_to {
        let start = Lsn(end.0.saturating_sub(STEP)).max(down_to);
        let (mut found, mut from, mut is_trimmed) = (Vec::new(), start, None);
        while from < end {
            match log.read(from, end, READ_BYTES).await {
                Ok((records, next)) => {
                    for record in records {
                        let entry = Entry::of(record)?.filter(|entry| entry.is_in(stream));
                        found.extend(
                            entry.map(|entry| Found { position: entry.position, before: entry.before(stream) }),
                        );
                    }
                    from = next;
                }
                Err(LogError::Trimmed(up_to)) if up_to > from => (from, is_trimmed) = (up_to, Some(up_to)),
                Err(error) => return Err(error),
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
        if let Some(up_to) = is_trimmed {
            return Err(LogError::Trimmed(up_to));
        }
        end = start;
    }
    Ok(Vec::new())
}

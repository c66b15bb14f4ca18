//! The stream of the log's entries from a position on, across segments.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use naxos_proto::contracts::Followed;
use naxos_proto::ids::{LogletId, Lsn};

use super::read::records_of;
use super::{VirtualLog, unavailable};
use crate::loglet::LogletError;
use crate::shared_log::{LogError, Record};

/// An item from a sealed segment has about this many bytes.
const ITEM_BYTES: usize = 1 << 20;

type Item = Result<(Vec<Record>, Lsn), LogError>;
type LogletStream = BoxStream<'static, Result<Followed, LogletError>>;

/// The position of one follower. It holds no entries: a slow follower reads them from disk later.
struct Follower {
    log: Arc<VirtualLog>,
    next: Lsn,
    /// The stream of the open segment, and the id of that segment's loglet.
    open: Option<(LogletId, LogletStream)>,
    ended: bool,
}

/// The stream of `SharedLog::follow`.
pub(super) fn follow(log: Arc<VirtualLog>, from: Lsn) -> BoxStream<'static, Item> {
    let follower = Follower { log, next: from, open: None, ended: false };
    stream::unfold(follower, |mut follower| async move {
        if follower.ended {
            return None;
        }
        let item = follower.item().await;
        match &item {
            Ok((_, next)) => follower.next = *next,
            Err(_) => follower.ended = true,
        }
        Some((item, follower))
    })
    .boxed()
}

impl Follower {
    async fn item(&mut self) -> Item {
        let log = Arc::clone(&self.log);
        loop {
            let active = log.active.load_full();
            let segment = active.segment_of(self.next)?;
            // Safety rule 2: of a segment that has ended, only what lies below the end in the chain may be read.
            if let Some(end) = segment.end {
                self.open = None;
                return log.read_some(self.next, end, ITEM_BYTES).await;
            }
            let id = segment.params.id;
            if self.open.as_ref().is_none_or(|(of, _)| *of != id) {
                self.open = Some((id, Arc::clone(&active.loglet).follow(segment.offset(self.next))));
            }
            let (_, stream) = self.open.as_mut().expect("it was just opened");
            // The unit that is followed may hang, and then it never tells that the segment has ended.
            let item = tokio::select! {
                biased;
                item = stream.next() => item,
                () = log.other_than(active.version) => {
                    self.open = None;
                    continue;
                }
            };
            let has_ended = log.active.load().version != active.version;
            match item {
                // The segment may have ended meanwhile, below the cells that arrived. So look at the chain again.
                _ if has_ended => {}
                Some(Ok(Followed::Cells { at, cells })) => {
                    let at = segment.lsn(at);
                    if at > self.next {
                        return Err(LogError::Trimmed(at));
                    }
                    return records_of(self.next, cells);
                }
                Some(Ok(Followed::KnownTail(_))) => continue,
                Some(Ok(Followed::Sealed(_))) => log.successor_of(active.version).await,
                Some(Err(e)) => return Err(unavailable(e)),
                None => return Err(LogError::Unavailable("the stream of the loglet ended".to_owned())),
            }
            self.open = None;
        }
    }
}

//! [`Feed`]: the stream of the log's entries, through which the player gets what other processes append.
//!
//! The player gets the entries of its own process from memory, before the stream delivers them. If all entries are its
//! own, each item of the stream would wake the apply Worker for nothing. So after an item that brings nothing new, the
//! stream is dropped for a short time. This costs one wake-up in that time, however many entries are appended. No
//! caller has to wait for the stream: if an own entry lies after an entry of another process, the player reads the log
//! up to the own entry.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use naxos_client::{LogError, Record, SharedLog};
use naxos_proto::ids::Lsn;
use naxos_proto::seams::{Clock, Instant};

use crate::local_store::StoreReader;

/// How long the log is not followed after an item that brought nothing new.
const REST: Duration = Duration::from_millis(10);
/// Time between two attempts to follow the log when it cannot be followed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The stream of the log's entries; see the module.
pub(super) struct Feed {
    log: Arc<dyn SharedLog>,
    clock: Arc<dyn Clock>,
    reader: StoreReader,
    stream: Option<BoxStream<'static, Result<(Vec<Record>, Lsn), LogError>>>,
    /// When the log is followed again, after a rest or an error.
    resumes_at: Option<Instant>,
}

impl Feed {
    pub(super) fn new(log: Arc<dyn SharedLog>, clock: Arc<dyn Clock>, reader: StoreReader) -> Self {
        Self { log, clock, reader, stream: None, resumes_at: None }
    }

    /// Waits for the next item that has entries which are not applied yet. Returns all its entries and the position
    /// after them. After an error, the next call tries again.
    /// # Cancel safety: nothing is lost when dropped, and a rest that has begun does not begin again.
    pub(super) async fn next(&mut self) -> Result<(Vec<Record>, Lsn), LogError> {
        loop {
            if let Some(resumes_at) = self.resumes_at {
                self.clock.sleep_until(resumes_at).await;
                self.resumes_at = None;
            }
            let stream = self.stream.get_or_insert_with(|| Arc::clone(&self.log).follow(self.reader.applied()));
            let pause = match stream.next().await {
                Some(Ok((records, next))) if next > self.reader.applied() => return Ok((records, next)),
                Some(Ok(_)) => REST,
                // The player has gone past the position of the stream meanwhile. The records that the stream still had to
                // deliver were applied, and only then trimmed. So nothing is missing.
                Some(Err(LogError::Trimmed(up_to))) if up_to <= self.reader.applied() => Duration::ZERO,
                Some(Err(e)) => {
                    tracing::warn!(error = %e, "the log cannot be followed; trying again");
                    self.pause(RETRY_INTERVAL);
                    return Err(e);
                }
                None => RETRY_INTERVAL,
            };
            self.pause(pause);
        }
    }

    /// Does not follow the log for a time.
    fn pause(&mut self, pause: Duration) {
        self.stream = None;
        self.resumes_at = Some(self.clock.now().after(pause));
    }
}

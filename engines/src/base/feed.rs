//! [`Feed`]: the stream of the log's entries, for what others append.
//!
//! The player gets the entries of its own process from memory, before the stream has them. Where all entries are its own,
//! each item of the stream would wake the apply Worker for nothing. So an item that brings nothing new ends the stream for a
//! moment: it costs one wake-up then, however many entries are appended meanwhile. Nobody waits for that: an own entry that
//! lies behind one of somebody else makes the player read what is between.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use naxos_client::{LogError, Record, SharedLog};
use naxos_proto::ids::Lsn;
use naxos_proto::seams::Clock;

use crate::local_store::StoreReader;

/// How long the stream is left alone after an item that brought nothing new.
const REST: Duration = Duration::from_millis(10);
/// Time between two attempts to follow a log that cannot be followed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Feed {
    log: Arc<dyn SharedLog>,
    clock: Arc<dyn Clock>,
    reader: StoreReader,
    stream: Option<BoxStream<'static, Result<(Vec<Record>, Lsn), LogError>>>,
    /// How long to wait before the log is followed again.
    pause: Duration,
}

impl Feed {
    pub(super) fn new(log: Arc<dyn SharedLog>, clock: Arc<dyn Clock>, reader: StoreReader) -> Self {
        Self { log, clock, reader, stream: None, pause: Duration::ZERO }
    }

    /// The next entries of which some are not applied yet, and the position behind them.
    /// # Cancel safety: nothing is lost when dropped.
    pub(super) async fn next(&mut self) -> (Vec<Record>, Lsn) {
        loop {
            if !self.pause.is_zero() {
                self.clock.sleep(self.pause).await;
                self.pause = Duration::ZERO;
            }
            let stream = self.stream.get_or_insert_with(|| Arc::clone(&self.log).follow(self.reader.applied()));
            self.pause = match stream.next().await {
                Some(Ok((records, next))) if next > self.reader.applied() => return (records, next),
                Some(Ok(_)) => REST,
                Some(Err(e)) => {
                    tracing::warn!(error = %e, "the log cannot be followed; trying again");
                    RETRY_INTERVAL
                }
                None => RETRY_INTERVAL,
            };
            self.stream = None;
        }
    }
}

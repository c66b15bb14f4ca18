//! [`LogLayer`]: the layer of tracing that makes lines from events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use naxos_proto::seams::Clock;
use tokio::sync::mpsc;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::line;
use crate::config::LogFormat;

/// Turns events into lines and queues them. Never blocks.
pub struct LogLayer {
    pub(super) lines: mpsc::Sender<String>,
    pub(super) dropped: Arc<AtomicU64>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) format: LogFormat,
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = line::write(event, self.clock.wall().0, self.format);
        if self.lines.try_send(line).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }
}

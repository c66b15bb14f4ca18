//! The bytes on client connections. They are counted where they are read and written.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The bytes of one RPC runtime. They have a cache line of their own, so that no other core writes to it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ByteCounts {
    received: AtomicU64,
    sent: AtomicU64,
}

impl ByteCounts {
    /// Counts bytes read.
    pub fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts bytes written.
    pub fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Relaxed);
    }
}

/// Appends the two sums over all runtimes.
pub(super) fn write(out: &mut String, runtimes: &[Arc<ByteCounts>]) {
    let sum = |of: fn(&ByteCounts) -> &AtomicU64| runtimes.iter().map(|r| of(r).load(Relaxed)).sum::<u64>();
    let rows = [("received", "received from", sum(|c| &c.received)), ("sent", "sent to", sum(|c| &c.sent))];
    for (name, words, value) in rows {
        let name = format!("etcd_network_client_grpc_{name}_bytes_total");
        let _ = write!(out, "# HELP {name} Bytes {words} grpc clients\n# TYPE {name} counter\n{name} {value}\n");
    }
}

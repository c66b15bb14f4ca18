//! The shared log in a Rust program: append, read back, and change the log's configuration in between.
//!
//! Run it with `cargo run -p naxos-client --example raw_log`. This example keeps the log in memory. A node keeps
//! the log in a journal on disk, but makes the same calls.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_client::loglets::MemoryProvider;
use naxos_client::{Liveness, MemoryMetaStore, SharedLog, VirtualLog, VirtualLogConfig, VirtualLogParts};
use naxos_proto::chain::LogletKind;
use naxos_proto::completion::Completion;
use naxos_proto::contracts::Cell;
use naxos_proto::ids::{Boot, Incarnation, LogId, Lsn, StorageId};
use naxos_proto::seams::{BootClock, OsEntropy};
use tokio::sync::watch;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Appends one entry, waits until it is acknowledged, and returns its position. An error says whether the entry is
/// certainly not in the log, or whether that is unknown.
async fn append(log: &VirtualLog, text: &str) -> Outcome<Lsn> {
    let (done, outcome) = Completion::channel();
    log.append(vec![Cell::new(Bytes::copy_from_slice(text.as_bytes()))], done);
    Ok(outcome.await?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    // This process is the only one. It is also the sequencer, which assigns the positions.
    let own = Incarnation { storage: StorageId(1), boot: Boot(1) };
    let (_alive, watched) =
        watch::channel(Liveness { sequencers: vec![own], units: Vec::new(), silent: Vec::new(), units_min: 0 });
    let log = VirtualLog::start(VirtualLogParts {
        config: VirtualLogConfig {
            log: LogId(7),
            kind: LogletKind::MEMORY,
            begin: Lsn::ZERO,
            takeover_after: Duration::from_millis(200),
        },
        meta: Arc::new(MemoryMetaStore::default()),
        providers: vec![Arc::new(MemoryProvider::default())],
        alive: watched,
        clock: Arc::new(BootClock),
        entropy: Arc::new(OsEntropy),
    })
    .await?;

    let first = append(&log, "before").await?;
    let changed = log.reconfigure(None).await?;
    let second = append(&log, "after").await?;
    println!("appended at {first} and {second}; the chain has {} segments", changed.chain.segments.len());

    // A tail check makes a read linearizable: every entry that was acknowledged before the check is
    // below the tail.
    let tail = log.check_tail().await?;
    let mut from = Lsn::ZERO;
    while from < tail {
        let (records, next) = log.read(from, tail, 1 << 20).await?;
        for record in records {
            println!("{}: {}", record.lsn, String::from_utf8_lossy(&record.payload));
        }
        from = next;
    }
    Ok(())
}

//! The bytes of log entries (`docs/formats.md`) must not change by accident, and it must be possible to replay entries
//! that an earlier build wrote. `NAXOS_BLESS=1` writes the golden file again; use it only together with a new format
//! version.

#![expect(clippy::disallowed_methods, reason = "a test polls for what the Workers do")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes};
use naxos_client::{SharedLog, VirtualLog};
use naxos_engines::batching;
use naxos_proto::codec::{Reader, put_bytes};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::Cell;
use naxos_proto::ids::{Boot, Incarnation, Lsn, StorageId};
use naxos_proto::seams::sim::SimClock;
use support::{World, row};

/// Number of commands in the golden entries.
const COMMANDS: u64 = 4;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/entries-v1")
}

async fn entries(log: &VirtualLog) -> Vec<Bytes> {
    let tail = log.check_tail().await.unwrap();
    let (records, next) = log.read(Lsn::ZERO, tail, usize::MAX).await.unwrap();
    assert_eq!(next, tail);
    records.into_iter().map(|record| record.payload).collect()
}

/// The entries of a stack's whole life: the genesis, the session, commands in batches, a switch, a command alone.
async fn written_now() -> Vec<Bytes> {
    let world = World::with_clock(1, Arc::new(SimClock::new(Duration::from_secs(1_700_000_000))));
    let node = world.start(1).await;
    for _ in 1..COMMANDS {
        node.propose().await;
    }
    node.stack.switch(batching::INFO.id, false).await.unwrap();
    node.propose().await;
    let entries = entries(&node.log).await;
    node.stop.cancel();
    entries
}

fn golden() -> Vec<Bytes> {
    let mut file = Reader::new(fs::read(file()).unwrap().into(), "golden file");
    let count = file.u32().unwrap();
    (0..count).map(|_| file.bytes().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_bytes_of_entries_of_format_1_do_not_change() {
    let entries = written_now().await;
    if std::env::var_os("NAXOS_BLESS").is_some() {
        let mut out = bytes::BytesMut::new();
        out.put_u32_le(u32::try_from(entries.len()).unwrap());
        entries.iter().for_each(|entry| put_bytes(&mut out, entry));
        fs::create_dir_all(file().parent().unwrap()).unwrap();
        fs::write(file(), out).unwrap();
    }
    assert_eq!(entries, golden());
}

#[tokio::test(start_paused = true)]
async fn entries_of_format_1_are_replayed() {
    let world = World::new(2);
    let incarnation = Incarnation { storage: StorageId(1), boot: Boot(2) };
    let log = VirtualLog::start(world.parts(incarnation)).await.unwrap();
    for payload in golden() {
        let (done, outcome) = Completion::channel();
        log.append(vec![Cell::new(payload)], done);
        outcome.await.unwrap();
    }
    let node = world.start_on(log, incarnation, &world.drive).await;
    let count = node.stack.reader().get(&row());
    assert_eq!(count, Some(Bytes::copy_from_slice(&COMMANDS.to_be_bytes())));
    assert_eq!(node.propose().await, COMMANDS + 1);
}

//! Measures what it costs the storage unit to store one cell durably, without RPC. The load comes from 1 client and
//! then from 64. Each client sends its next cell, of 256 bytes, when its last one is stored.
//!
//! `cargo run --release -p naxos-log-server --example commit_floor [directory]`

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use naxos_log_server::disk::RealDisk;
use naxos_log_server::{LogServer, LogServerConfig, Unit};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{Cell, Purpose, Shape, StorageUnit, Store, UnitParams};
use naxos_proto::ids::{Incarnation, LogletId, Offset};
use naxos_proto::seams::{BootClock, Clock, Instant, OsEntropy, Seams, SocketNet, ThreadWorker};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

const SECONDS: u64 = 3;
const CELL_BYTES: usize = 256;

struct Load {
    unit: Arc<Unit>,
    loglet: LogletId,
    incarnation: Incarnation,
    next: AtomicU64,
    times: Mutex<Vec<Duration>>,
    until: Instant,
    /// Held while a client draws an offset and makes its call, so that calls arrive in the order of their offsets.
    order: Mutex<()>,
    payload: Bytes,
}

/// One client: it sends its next store when its last one completes.
fn send(load: Arc<Load>) {
    let start = BootClock.now();
    let again = load.clone();
    let done = Completion::new(move |outcome: Result<_, _>| {
        outcome.expect("the unit stores");
        let now = BootClock.now();
        again.times.lock().push(now.since(start));
        if now < again.until {
            send(again);
        }
    });
    let _order = load.order.lock();
    let at = load.next.fetch_add(1, Ordering::Relaxed);
    let cells = vec![Cell::new(load.payload.clone())];
    let (loglet, incarnation) = (load.loglet, load.incarnation);
    load.unit.store(
        Store { loglet, incarnation, at: Offset(at), cells, purpose: Purpose::Append { known_tail: Offset(at) } },
        done,
    );
}

fn cpu() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(t.tv_sec.unsigned_abs(), u32::try_from(t.tv_nsec).expect("nanoseconds of a second"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let own = tempfile::tempdir().expect("a temporary directory");
    let root = std::env::args().nth(1).map_or_else(|| own.path().join("data"), PathBuf::from);
    let seams = Seams {
        clock: Arc::new(BootClock),
        entropy: Arc::new(OsEntropy),
        net: Arc::new(SocketNet),
        disk: Arc::new(RealDisk::new(root).expect("the directory can be made")),
        worker: Arc::new(ThreadWorker),
    };
    let config = LogServerConfig::default();
    let start = BootClock.now();
    let server = LogServer::open(seams, config, CancellationToken::new()).await.expect("the log server opens");
    println!("open: {:?}", BootClock.now().since(start));
    let incarnation = Incarnation { storage: server.storage_id(), boot: server.boot() };
    for (ordinal, clients) in [(1, 1), (2, 64)] {
        let loglet = LogletId { log: server.log(), ordinal, nonce: server.boot().0 };
        let unit = server.unit().clone();
        unit.open(loglet, UnitParams { shape: Shape::Contiguous, incarnation }).await.expect("the unit opens a loglet");
        BootClock.sleep(Duration::from_secs(1)).await;
        let load = Arc::new(Load {
            unit: unit.clone(),
            loglet,
            incarnation,
            next: AtomicU64::new(0),
            times: Mutex::default(),
            until: BootClock.now().after(Duration::from_secs(SECONDS)),
            order: Mutex::new(()),
            payload: Bytes::from(vec![7; CELL_BYTES]),
        });
        let before = cpu();
        (0..clients).for_each(|_| send(load.clone()));
        BootClock.sleep(Duration::from_millis(SECONDS * 1_000 + 200)).await;
        let used = cpu() - before;
        let mut times = std::mem::take(&mut *load.times.lock());
        times.sort();
        let at = |permille: usize| times[times.len() * permille / 1_000];
        let (n, per) = (times.len() as u64, used / u32::try_from(times.len()).expect("a short run"));
        println!("{clients} clients: {}/s, p50 {:?}, p99 {:?}, CPU {per:?} a store", n / SECONDS, at(500), at(990));
        unit.trim(loglet, Offset(n)).await.expect("the unit trims");
    }
    server.shutdown().await.expect("no worker panicked");
}

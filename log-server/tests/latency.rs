//! What a durable store costs, printed; asserted only to finish.

use std::sync::Arc;

use bytes::Bytes;
use naxos_log_server::disk::RealDisk;
use naxos_log_server::{LogServer, LogServerConfig};
use naxos_proto::completion::Completion;
use naxos_proto::contracts::{Cell, CellOutcome, Shape, StorageUnit, Store, UnitParams};
use naxos_proto::ids::{Incarnation, LogletId, Offset};
use naxos_proto::seams::{BootClock, Clock, OsEntropy, Seams, SocketNet, ThreadWorker};
use tokio_util::sync::CancellationToken;

const STORES: u64 = 2_000;

#[tokio::test]
async fn a_single_client_pays_about_one_sync_per_store() {
    let dir = tempfile::tempdir().unwrap();
    let seams = Seams {
        clock: Arc::new(BootClock),
        entropy: Arc::new(OsEntropy),
        net: Arc::new(SocketNet),
        disk: Arc::new(RealDisk::new(dir.path().join("data")).unwrap()),
        worker: Arc::new(ThreadWorker),
    };
    let start = BootClock.now();
    let server = LogServer::open(seams, LogServerConfig::default(), CancellationToken::new()).await.unwrap();
    println!("open: {:?}", BootClock.now().since(start));
    let unit = server.unit().clone();
    let incarnation = Incarnation { storage: server.storage_id(), boot: server.boot() };
    let loglet = LogletId { log: server.log(), ordinal: 1, nonce: 1 };
    unit.open(loglet, UnitParams { shape: Shape::Contiguous, incarnation }).await.unwrap();
    let mut times = Vec::new();
    for n in 0..STORES {
        let start = BootClock.now();
        let (done, outcome) = Completion::channel();
        let cells = vec![Cell { payload: Bytes::from(vec![7; 256]), commands: 1 }];
        unit.store(Store { loglet, incarnation, at: Offset(n), cells, known_tail: Offset(n) }, done);
        assert_eq!(outcome.await, Some(Ok(vec![CellOutcome::Written])));
        times.push(BootClock.now().since(start));
    }
    times.sort();
    println!("store: p50 {:?} p99 {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);
    let start = BootClock.now();
    server.shutdown().await.unwrap();
    println!("shutdown: {:?}", BootClock.now().since(start));
}

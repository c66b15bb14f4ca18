//! A stack that counts commands, on a memory log and a simulated disk.

#![expect(unreachable_pub, reason = "the module is part of each test binary")]

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use bytes::Bytes;
use naxos_client::loglets::MemoryProvider;
use naxos_client::{Liveness, MemoryMetaStore, VirtualLog, VirtualLogConfig, VirtualLogParts};
use naxos_engines::batching::{Application, Reply};
use naxos_engines::reply_port::{ReplyPort, Waiter};
use naxos_engines::snapshots::{Offering, OfferingParts};
use naxos_engines::stack::{Stack, StackConfig};
use naxos_engines::view_tracking::HeldLog;
use naxos_engines::{ApplyCost, LocalStore, RowKey, TableId, Txn};
use naxos_proto::chain::LogletKind;
use naxos_proto::ids::{Boot, Incarnation, LogId, Lsn, StorageId, StoreId};
use naxos_proto::seams::sim::Drive;
use naxos_proto::seams::{BootClock, Clock, OsEntropy};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Counts commands, and keeps those of more than one byte in rows of their own. The output of each command is the count.
pub struct Counter {
    count: u64,
}

/// The row that holds the count.
pub fn row() -> RowKey {
    RowKey::new(StoreId(0), TableId(40), b"count")
}

impl Application for Counter {
    type Output = u64;

    fn apply(&mut self, txn: &mut Txn<'_>, _: Lsn, _: u32, command: Bytes) -> u64 {
        self.count += 1;
        if command.len() > 1 {
            txn.put(RowKey::new(StoreId(0), TableId(41), &self.count.to_be_bytes()), command);
        }
        txn.put(row(), Bytes::copy_from_slice(&self.count.to_be_bytes()));
        self.count
    }

    fn end_entry(&mut self, _: &mut Txn<'_>) {}

    fn post_apply(&mut self, _: Lsn) {}
}

/// A running stack.
pub struct Node {
    pub stack: Arc<Stack<Counter>>,
    port: Arc<ReplyPort<Reply<u64>>>,
    pub stop: CancellationToken,
    pub log: Arc<VirtualLog>,
}

/// What outlives a stack: its log and its disk.
pub struct World {
    meta: Arc<MemoryMetaStore>,
    loglets: Arc<MemoryProvider>,
    pub drive: Drive,
    /// The snapshots that each node offers to others, in the order of their starts.
    pub offerings: Mutex<Vec<Offering>>,
    clock: Arc<dyn Clock>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self::with_clock(seed, Arc::new(BootClock))
    }

    pub fn with_clock(seed: u64, clock: Arc<dyn Clock>) -> Self {
        let drive = Drive::new(seed);
        Self { meta: Arc::default(), loglets: Arc::default(), drive, offerings: Mutex::default(), clock }
    }

    /// Starts a node that runs the log's sequencer.
    pub async fn start(&self, boot: u64) -> Node {
        let incarnation = Incarnation { storage: StorageId(1), boot: Boot(boot) };
        let log = VirtualLog::start(self.parts(incarnation)).await.unwrap();
        self.start_on(log, incarnation, &self.drive).await
    }

    pub fn parts(&self, incarnation: Incarnation) -> VirtualLogParts {
        let takeover_after = Duration::from_millis(20);
        VirtualLogParts {
            config: VirtualLogConfig { log: LogId(7), kind: LogletKind::MEMORY, begin: Lsn::ZERO, takeover_after },
            meta: self.meta.clone(),
            providers: vec![self.loglets.clone()],
            alive: watch::Sender::new(Liveness {
                sequencers: vec![incarnation],
                units: Vec::new(),
                silent: Vec::new(),
                units_min: 0,
            })
            .subscribe(),
            clock: self.clock.clone(),
            entropy: Arc::new(OsEntropy),
        }
    }

    pub async fn start_on(&self, log: Arc<VirtualLog>, incarnation: Incarnation, drive: &Drive) -> Node {
        let clock = self.clock.clone();
        let store = LocalStore::open(drive.mount(), clock.clone()).await.unwrap();
        let count = store.reader().get(&row()).map_or(0, |v| u64::from_be_bytes(v[..].try_into().unwrap()));
        let checkpointer = store.checkpointer(0);
        let (snapshotter, reader) = (checkpointer.snapshotter(), store.reader());
        let held = HeldLog {
            bytes: Arc::new(|| 0),
            bytes_max: u64::MAX,
            servers_min: Arc::new(AtomicUsize::new(1)),
            sealed_below: Arc::new(|| Lsn::ZERO),
        };
        let config = StackConfig { log: log.clone(), log_id: LogId(7), incarnation, clock: clock.clone(), held };
        let stack = Stack::new(config, store, Counter { count });
        let stop = CancellationToken::new();
        let port = ReplyPort::new();
        let (applied, tended) = (stack.clone(), stack.clone());
        let (a, b, c) = (stop.clone(), stop.clone(), stop.clone());
        tokio::spawn(async move { applied.run(a).await });
        tokio::spawn(async move { tended.tend(b).await });
        tokio::spawn(async move { checkpointer.run(c, |_| {}).await.unwrap() });
        let flushed = stack.clone();
        tokio::spawn(port.clone().dispatch(move || flushed.flush(), stop.clone()));
        stack.start().await.unwrap();
        let (disk, entropy, view) = (drive.mount(), Arc::new(OsEntropy), stack.view().clone());
        let trimmed = stack.clone();
        let trim_point = Box::new(move || trimmed.trim_point());
        let parts = OfferingParts { log: LogId(7), disk, clock, entropy, reader, snapshotter, view, trim_point };
        let (offering, offers) = Offering::new(parts);
        tokio::spawn(offers.run(stop.clone()));
        self.offerings.lock().push(offering);
        Node { stack, port, stop, log }
    }
}

impl Node {
    pub async fn propose(&self) -> u64 {
        self.propose_bytes(1).await
    }

    /// Proposes a command of `len` bytes.
    pub async fn propose_bytes(&self, len: usize) -> u64 {
        let (waiter, reply) = Waiter::new(&self.port);
        self.stack.propose(vec![b'x'; len].into(), ApplyCost::Unknown, waiter);
        reply.await.unwrap().unwrap()
    }
}

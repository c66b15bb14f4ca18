//! [`StackLog`]: a stack that has only the commands of objects.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, join};
use naxos_client::LogError;
use tokio_util::sync::CancellationToken;

use super::apply::{Applied, ObjectsApply};
use super::objects_log::ObjectsLog;
use crate::batching::Reply;
use crate::engine::{ApplyCost, ProposeError};
use crate::local_store::StoreReader;
use crate::read_gate::ReadGate;
use crate::reply_port::{ReplyPort, Waiter};
use crate::stack::Stack;

/// A stack that has only the commands of objects.
///
/// Objects on a log of your own, here in memory and on a simulated disk:
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use std::sync::Arc;
/// use std::sync::atomic::AtomicUsize;
/// use std::time::Duration;
///
/// use naxos_client::loglets::MemoryProvider;
/// use naxos_client::{Liveness, MemoryMetaStore, VirtualLog, VirtualLogConfig, VirtualLogParts};
/// use naxos_engines::LocalStore;
/// use naxos_engines::objects::{Objects, ObjectsApply, StackLog};
/// use naxos_engines::stack::{Stack, StackConfig};
/// use naxos_engines::view_tracking::HeldLog;
/// use naxos_proto::chain::LogletKind;
/// use naxos_proto::ids::{Boot, Incarnation, LogId, Lsn, StorageId};
/// use naxos_proto::seams::sim::Drive;
/// use naxos_proto::seams::{BootClock, Clock, OsEntropy};
/// use tokio::sync::watch;
/// use tokio_util::sync::CancellationToken;
///
/// let incarnation = Incarnation { storage: StorageId(1), boot: Boot(1) };
/// let clock: Arc<dyn Clock> = Arc::new(BootClock);
/// let sequencers = vec![incarnation];
/// let log = VirtualLog::start(VirtualLogParts {
///     config: VirtualLogConfig {
///         log: LogId(7),
///         kind: LogletKind::MEMORY,
///         begin: Lsn::ZERO,
///         takeover_after: Duration::from_millis(200),
///     },
///     meta: Arc::new(MemoryMetaStore::default()),
///     providers: vec![Arc::new(MemoryProvider::default())],
///     alive: watch::Sender::new(Liveness { sequencers, units: Vec::new(), silent: Vec::new(), units_min: 0 })
///         .subscribe(),
///     clock: clock.clone(),
///     entropy: Arc::new(OsEntropy),
/// })
/// .await?;
///
/// let store = LocalStore::open(Drive::new(1).mount(), clock.clone()).await?;
/// let (apply, signal) = ObjectsApply::open(&store.reader())?;
/// let checkpointer = store.checkpointer(0);
/// let held = HeldLog {
///     bytes: Arc::new(|| 0),
///     bytes_max: u64::MAX,
///     servers_min: Arc::new(AtomicUsize::new(1)),
///     sealed_below: Arc::new(|| Lsn::ZERO),
/// };
/// let stack = Stack::new(StackConfig { log, log_id: LogId(7), incarnation, clock, held }, store, apply);
/// let serving = StackLog::new(stack.clone());
/// let objects = Objects::new(serving.clone(), signal);
///
/// // What has to run until the end.
/// let stop = CancellationToken::new();
/// let (applied, tended) = (stack.clone(), stack.clone());
/// let (a, b, c, d) = (stop.clone(), stop.clone(), stop.clone(), stop.clone());
/// tokio::spawn(async move { applied.run(a).await });
/// tokio::spawn(async move { tended.tend(b).await });
/// tokio::spawn(async move { checkpointer.run(c, |_| {}).await.expect("the disk takes checkpoints") });
/// tokio::spawn(async move { serving.serve(d).await });
/// stack.start().await?;
///
/// let hits = objects.counter("hits").await?;
/// assert_eq!(hits.add(1).commit().await?.output, 1);
/// stop.cancel();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StackLog {
    stack: Arc<Stack<ObjectsApply>>,
    port: Arc<ReplyPort<Reply<Applied>>>,
    gate: Arc<ReadGate>,
    ended: CancellationToken,
}

impl StackLog {
    /// The log of a running stack.
    pub fn new(stack: Arc<Stack<ObjectsApply>>) -> Arc<Self> {
        let gate = stack.read_gate();
        Arc::new(Self { stack, port: ReplyPort::new(), gate, ended: CancellationToken::new() })
    }

    /// Sends what the handles propose, gives them their answers, and checks the tail of the log for them, until `stop`.
    /// Run it once. A call that is made before it runs waits for it. When it has ended, every call fails.
    /// # Cancel safety
    /// To drop the future is to end it: every call fails then.
    pub async fn serve(&self, stop: CancellationToken) {
        let _ended = self.ended.clone().drop_guard();
        let stack = Arc::clone(&self.stack);
        let port = Arc::clone(&self.port).dispatch(move || stack.flush(), stop.clone());
        join(port, Arc::clone(&self.gate).serve(stop)).await;
    }
}

impl ObjectsLog for StackLog {
    fn propose(&self, command: Bytes) -> BoxFuture<'_, Result<Applied, ProposeError>> {
        async move {
            let (waiter, reply) = Waiter::new(&self.port);
            self.stack.propose(command, ApplyCost::Unknown, waiter);
            let reply = self.ended.run_until_cancelled(reply).await;
            let lost = || ProposeError::Unknown("serving the objects ended before the answer came".to_owned());
            reply.and_then(Result::ok).unwrap_or_else(|| Err(lost()))
        }
        .boxed()
    }

    fn sync(&self) -> BoxFuture<'_, Result<(), LogError>> {
        async move {
            let synced = self.ended.run_until_cancelled(self.gate.sync()).await;
            let lost = || LogError::Unavailable("the objects are not served any more".to_owned());
            synced.unwrap_or_else(|| Err(lost())).map(drop)
        }
        .boxed()
    }

    fn read_problem(&self) -> Option<String> {
        None
    }

    fn reader(&self) -> &StoreReader {
        self.stack.reader()
    }

    fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}

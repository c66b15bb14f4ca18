//! Two nodes and the connections between them, in memory.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream;
use naxos_proto::ids::{Boot, ChainVersion, Incarnation, LogId, LogletId, StorageId};
use naxos_proto::peer::{ChainNews, Connector, Home, PeerLink, SyncedNews, serve};
use naxos_proto::seams::sim::{SimClock, TaskWorker};
use naxos_proto::seams::{Address, BoxConnection, Clock, Tasks};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

/// The node that calls, and the node that is called.
pub(crate) const CALLER: u64 = 1;
pub(crate) const SERVER: u64 = 2;
pub(crate) const LOGLET: LogletId = LogletId { log: LogId(9), ordinal: 1, nonce: 5 };
pub(crate) const OWNER: Incarnation = Incarnation { storage: StorageId(7), boot: Boot(1) };

/// A test that takes longer than this hangs.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// Runs `body` in a new runtime with paused time.
pub(crate) fn simulate(body: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let clock = SimClock::new(Duration::ZERO);
        tokio::select! {
            biased;
            () = body => {}
            () = clock.sleep(LIFETIME) => panic!("a call hangs"),
        }
    });
}

/// The node with data directory `storage`, in its third life.
pub(crate) fn home(storage: u64) -> Home {
    Home {
        log: LogId(9),
        me: Incarnation { storage: StorageId(storage), boot: Boot(3) },
        news: Arc::new(ChainNews::new(ChainVersion(1))),
        synced: SyncedNews::new(Boot(3), || 0),
        admitted: watch::Sender::new(true).subscribe(),
        clock: Arc::new(SimClock::new(Duration::from_secs(1_700_000_000))),
        tasks: Tasks::new(Arc::new(TaskWorker), CancellationToken::new()),
    }
}

/// What happens to a caller that connects.
enum Door {
    /// Nobody listens.
    Shut,
    /// The connection is made, and the other end never sends anything.
    Mute(Vec<BoxConnection>),
    /// The host does not even answer the attempt to connect.
    Dead,
    Open(mpsc::Sender<BoxConnection>),
}

/// The network in front of one node.
#[derive(Clone)]
pub(crate) struct Network(Arc<Mutex<(Door, CancellationToken)>>);

impl Network {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new((Door::Shut, CancellationToken::new()))))
    }

    fn set(&self, door: Door) -> CancellationToken {
        let mut state = self.0.lock();
        state.1.cancel();
        *state = (door, CancellationToken::new());
        state.1.clone()
    }

    /// Cuts all connections. New ones are refused.
    pub(crate) fn cut(&self) {
        self.set(Door::Shut);
    }

    /// Cuts all connections. New ones are made, but nobody answers on them.
    pub(crate) fn mute(&self) {
        self.set(Door::Mute(Vec::new()));
    }

    /// Cuts all connections. Attempts to connect are not answered.
    pub(crate) fn die(&self) {
        self.set(Door::Dead);
    }

    /// Serves `routes` to connections from now on.
    pub(crate) fn serve(&self, routes: Routes) {
        let (door, mut waiting) = mpsc::channel(8);
        let stop = self.set(Door::Open(door));
        let connections = stream::poll_fn(move |cx| waiting.poll_recv(cx));
        home(SERVER).tasks.start("server", async move {
            serve(routes, connections, stop).await.unwrap();
        });
    }

    /// A link from `home` to the server behind this network.
    pub(crate) fn link(&self, home: Home) -> Arc<PeerLink> {
        let address = Address::Tcp("server:2380".to_owned());
        PeerLink::new(home, StorageId(SERVER), address, Arc::new(self.clone()))
    }
}

impl Connector for Network {
    fn connect<'a>(&'a self, _: &'a Address) -> BoxFuture<'a, io::Result<BoxConnection>> {
        Box::pin(async {
            let (near, far) = tokio::io::duplex(1 << 20);
            let door = match &mut self.0.lock().0 {
                Door::Shut => return Err(io::ErrorKind::ConnectionRefused.into()),
                Door::Dead => None,
                Door::Mute(kept) => {
                    kept.push(Box::new(far));
                    return Ok(Box::new(near) as BoxConnection);
                }
                Door::Open(door) => Some(door.clone()),
            };
            match door {
                Some(door) => door.send(Box::new(far)).await.map_err(|_| io::ErrorKind::ConnectionRefused)?,
                None => std::future::pending().await,
            }
            Ok(Box::new(near) as BoxConnection)
        })
    }
}

//! Helpers: nodes that call each other over sockets.
#![expect(unreachable_pub, reason = "the module is a part of each test binary")]

use std::sync::Arc;

use naxos_proto::ids::{Boot, ChainVersion, Incarnation, LogId, StorageId};
use naxos_proto::peer::{ChainNews, Home, SyncedNews, accepted, serve};
use naxos_proto::seams::{Address, BootClock, Net, SocketNet, Tasks, ThreadWorker, WorkerHandle, start};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

/// A node of the cluster of these tests.
pub fn home(storage: StorageId, boot: u64) -> Home {
    Home {
        log: LogId(9),
        me: Incarnation { storage, boot: Boot(boot) },
        news: Arc::new(ChainNews::new(ChainVersion(1))),
        synced: SyncedNews::new(Boot(boot), || 0),
        admitted: watch::Sender::new(true).subscribe(),
        clock: Arc::new(BootClock),
        tasks: Tasks::new(Arc::new(ThreadWorker), CancellationToken::new()),
    }
}

/// A node that serves.
pub struct Served {
    pub address: Address,
    stop: CancellationToken,
    worker: WorkerHandle,
}

impl Served {
    /// Ends the node's connections and its thread.
    pub async fn stop(self) {
        self.stop.cancel();
        self.worker.join().await.unwrap();
    }
}

/// Serves `routes` in a thread of its own, at a free port.
pub async fn serve_routes(routes: Routes) -> Served {
    let at = Address::Tcp("127.0.0.1:0".to_owned());
    let stop = CancellationToken::new();
    let (bound, address) = tokio::sync::oneshot::channel();
    let worker = start(&ThreadWorker, "peer", stop.clone(), move |stop| async move {
        let listener = SocketNet.listen(&at).await.unwrap();
        bound.send(listener.local()).unwrap();
        serve(routes, accepted(listener), stop).await.unwrap();
    });
    Served { address: address.await.unwrap(), stop, worker }
}

//! The Worker that carries all calls between nodes: its runtime does nothing else, so that load of clients never delays
//! a heartbeat.

use std::sync::Arc;
use std::time::Duration;

use naxos_client::failure::{Admission, Driver, Heartbeats};
use naxos_client::loglets::CorfuProvider;
use naxos_proto::contracts::StorageUnit;
use naxos_proto::peer::{Home, serve};
use naxos_proto::seams::{Clock, Disk, Worker, WorkerHandle, start};
use naxos_sequencer::LocalSequencer;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use super::{AddressBook, PeerPort, Peers, Starts, mark_old_copy};

/// How long the end of a node that is disowned waits for its disk.
const MARK_MAX: Duration = Duration::from_secs(1);

/// What the Worker serves to other nodes, and the work that it does all the time.
pub(in crate::node) struct PeerWork {
    pub(in crate::node) port: PeerPort,
    pub(in crate::node) routes: Routes,
    pub(in crate::node) sequencer: Arc<LocalSequencer>,
    /// Writes the appends of this process to Corfu loglets.
    pub(in crate::node) corfu: Arc<CorfuProvider>,
    pub(in crate::node) heartbeats: Arc<Heartbeats>,
    pub(in crate::node) admission: Arc<Admission>,
    pub(in crate::node) starts: Arc<Starts>,
    pub(in crate::node) disk: Arc<dyn Disk>,
    /// Comes when the log is open.
    pub(in crate::node) driver: oneshot::Receiver<Driver>,
}

/// The Worker before it has work.
pub(in crate::node) struct PeerWorker {
    pub(in crate::node) handle: WorkerHandle,
    pub(in crate::node) peers: Arc<Peers>,
    /// Gives the Worker its work.
    pub(in crate::node) work: oneshot::Sender<PeerWork>,
}

/// Starts the Worker, which will carry the links to the other members. It shares the lock on the data directory, because it
/// writes there. `None` if the node stops meanwhile.
pub(in crate::node) async fn start_peer_worker(
    worker: &dyn Worker,
    home: Home,
    unit: Arc<dyn StorageUnit>,
    book: Arc<AddressBook>,
    stop: CancellationToken,
    lock: Arc<dyn Send + Sync>,
) -> Option<PeerWorker> {
    let (made, peers) = oneshot::channel();
    let (work, works) = oneshot::channel();
    let handle = start(worker, "peers", stop, |stop| async move {
        let _lock = lock;
        let peers = Arc::new(Peers::new(home.clone(), unit, book));
        // If the start was given up meanwhile, no work comes either.
        let _ = made.send(peers);
        let Some(Ok(work)) = stop.run_until_cancelled(works).await else { return };
        run(work, &home, stop).await;
    });
    Some(PeerWorker { handle, peers: peers.await.ok()?, work })
}

async fn run(work: PeerWork, home: &Home, stop: CancellationToken) {
    let PeerWork { port, routes, sequencer, corfu, heartbeats, admission, starts, disk, driver } = work;
    let serves = async {
        let served = serve(routes, port.connections(Arc::clone(&home.clock)), stop.clone()).await;
        if let Err(error) = served {
            tracing::error!(%error, "the port for other nodes failed; the node ends");
            stop.cancel();
        }
    };
    let drives = async {
        if let Some(Ok(driver)) = stop.run_until_cancelled(driver).await {
            driver.run(stop.clone()).await;
        }
    };
    let tends = async { tokio::join!(sequencer.tend(stop.clone()), corfu.tend(stop.clone())) };
    let notes = starts.tend(&*home.clock, stop.clone());
    let ends = end_if_disowned(&admission, &*disk, &*home.clock, &stop);
    tokio::join!(serves, drives, tends, notes, ends, heartbeats.run(stop.clone()));
}

/// Waits until the node was admitted, and then until another node remembers more of this node's data directory than the
/// directory does. Then ends the node, and writes down why. Gives up at `stop`. The node may be admitted and disowned
/// before this task runs again, so the task waits for [`Admission::was_admitted`], which stays true.
async fn end_if_disowned(admission: &Admission, disk: &dyn Disk, clock: &dyn Clock, stop: &CancellationToken) {
    let (mut admitted, mut disowned) = (admission.was_admitted(), admission.disowned());
    let waited = async {
        admitted.wait_for(|admitted| *admitted).await.ok()?;
        disowned.wait_for(Option::is_some).await.ok()?.clone()
    };
    if let Some(Some(error)) = stop.run_until_cancelled(waited).await {
        tracing::error!(%error, "the node ends");
        stop.cancel();
        // The disk may hang.
        tokio::select! {
            biased;
            () = mark_old_copy(disk, &error) => {}
            () = clock.sleep(MARK_MAX) => {}
        }
    }
}

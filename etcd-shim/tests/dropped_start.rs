//! A start that is dropped ends everything that it has started. Until then its data directory is locked.

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use naxos::{Error, Naxos, Opening};
use naxos_log_server::LogServerConfig;
use naxos_log_server::disk::RealDisk;
use naxos_proto::seams::{Body, BootClock, Clock, OsEntropy, Seams, SocketNet, ThreadWorker, Worker, WorkerHandle};
use support::{block_on, free_urls};
use tokio_util::sync::CancellationToken;

/// Starts real threads, and counts those that run and those that it has started.
#[derive(Clone, Default)]
struct Counting {
    running: Arc<AtomicUsize>,
    started: Arc<AtomicUsize>,
}

/// A thread that runs.
struct Runs(Arc<AtomicUsize>);

impl Drop for Runs {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Worker for Counting {
    fn start(&self, name: &str, stop: CancellationToken, body: Body) -> WorkerHandle {
        self.started.fetch_add(1, Ordering::SeqCst);
        self.running.fetch_add(1, Ordering::SeqCst);
        let runs = Runs(Arc::clone(&self.running));
        let counted: Body = Box::new(move |stop| {
            Box::pin(async move {
                let _runs = runs;
                body(stop).await;
            })
        });
        ThreadWorker.start(name, stop, counted)
    }
}

fn open(dir: &Path, own: usize, urls: &[String; 3], worker: &Counting) -> Opening {
    let (disk, worker) = (Arc::new(RealDisk::at(dir)), Arc::new(worker.clone()));
    let (clock, entropy, net) = (Arc::new(BootClock), Arc::new(OsEntropy), Arc::new(SocketNet));
    let seams = Seams { clock, entropy, net, disk, worker };
    Naxos::open(dir).peers(own, urls.clone()).on(seams, LogServerConfig::default())
}

/// Opens the store as soon as the directory is not locked any more. Any other error is returned.
async fn open_when_free(opening: impl Fn() -> Opening) -> Result<Naxos, Error> {
    for _ in 0..200 {
        match opening().await {
            Err(Error::Start(why)) if why.contains("another process") => {
                BootClock.sleep(Duration::from_millis(50)).await;
            }
            opened => return opened,
        }
    }
    panic!("the directory stays locked");
}

/// Opens the store, which needs a majority, and gives up.
async fn give_up(opening: impl Fn() -> Opening) {
    tokio::select! {
        biased;
        opened = open_when_free(opening) => panic!("it does not wait for a majority: {:?}", opened.err()),
        () = BootClock.sleep(Duration::from_millis(1_500)) => {}
    }
}

#[test]
fn after_a_start_that_was_dropped_the_directory_can_be_opened_and_no_thread_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let urls = free_urls::<3>();
    let workers: [Counting; 3] = std::array::from_fn(|_| Counting::default());
    let at = |own: usize| open(&dir.path().join(own.to_string()), own, &urls, &workers[own]);
    block_on(async {
        // The first time it waits until the cluster is founded, later until the log can be opened.
        give_up(|| at(0)).await;
        for _ in 0..2 {
            let opened = join_all((0..3).map(|own| open_when_free(move || at(own)))).await;
            let stores: Vec<Naxos> = opened.into_iter().map(Result::unwrap).collect();
            stores[0].put("k", "v").await.unwrap();
            for store in stores {
                store.stop().await;
            }
            give_up(|| at(0)).await;
            give_up(|| at(0)).await;
        }
        for _ in 0..200 {
            if workers[0].running.load(Ordering::SeqCst) == 0 {
                break;
            }
            BootClock.sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(workers[0].started.load(Ordering::SeqCst) > 0);
    assert_eq!(workers[0].running.load(Ordering::SeqCst), 0, "threads of a start that was dropped run on");
}

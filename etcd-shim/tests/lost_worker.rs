//! A node that has lost one of its threads does not live on without it.

mod support;

use std::sync::Arc;
use std::time::Duration;

use naxos_log_server::disk::RealDisk;
use naxos_proto::seams::{Body, BootClock, Clock, ThreadWorker, Worker, WorkerHandle};
use support::{block_on, start_node};
use tokio_util::sync::CancellationToken;

/// What the end of a node may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Gives real threads, but that of one name panics.
#[derive(Clone, Copy, Debug)]
struct Losing(&'static str);

impl Worker for Losing {
    fn start(&self, name: &str, stop: CancellationToken, body: Body) -> WorkerHandle {
        let lost: Body = Box::new(|_| Box::pin(async { panic!("on purpose") }));
        ThreadWorker.start(name, stop, if name == self.0 { lost } else { body })
    }
}

#[test]
fn a_node_ends_when_a_thread_is_lost() {
    for lost in [
        "rpc-0",
        "rpc-1",
        "accept",
        "control",
        "apply",
        "checkpoint",
        "cold-store",
        "cold-read",
        "commit",
        "journal-zero",
        "meta",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (disk, worker) = (Arc::new(RealDisk::at(dir.path())), Arc::new(Losing(lost)));
        let life = async {
            // It may end before it serves.
            if let Ok(node) = start_node(disk, worker, 2).await {
                node.ended().await;
                node.stop().await;
            }
        };
        block_on(async {
            tokio::select! {
                () = life => {}
                () = BootClock.sleep(LIMIT) => panic!("it goes on without {lost}"),
            }
        });
    }
}

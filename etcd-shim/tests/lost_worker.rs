//! A node ends when it has lost one of its threads or tasks, or could not start one. It does not go on without that
//! thread or task.

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use naxos_log_server::disk::RealDisk;
use naxos_proto::seams::{Body, BootClock, Clock, ThreadWorker, Worker, WorkerHandle};
use support::{block_on, start_node};
use tokio_util::sync::CancellationToken;

/// The longest time that a node may take to end.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
enum Loss {
    Panics,
    CannotBegin,
}

/// Starts real threads and tasks, but loses the one with this name.
#[derive(Clone, Copy, Debug)]
struct Losing(&'static str, Loss);

impl Worker for Losing {
    fn start(&self, name: &str, stop: CancellationToken, body: Body) -> WorkerHandle {
        match self.1 {
            _ if name != self.0 => ThreadWorker.start(name, stop, body),
            Loss::Panics => ThreadWorker.start(name, stop, Box::new(|_| Box::pin(async { panic!("on purpose") }))),
            Loss::CannotBegin => {
                stop.cancel();
                let (ended, handle) = WorkerHandle::new(name);
                ended.send(Err("on purpose".to_owned())).unwrap();
                handle
            }
        }
    }

    fn start_task(&self, name: &'static str, stop: CancellationToken, body: BoxFuture<'static, ()>) {
        let lost = name == self.0;
        ThreadWorker.start_task(name, stop, if lost { Box::pin(async { panic!("on purpose") }) } else { body });
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
        "rows-ahead",
    ] {
        for loss in [Loss::Panics, Loss::CannotBegin] {
            ends_without(lost, loss);
        }
    }
}

#[test]
fn a_node_ends_when_a_task_panics() {
    for lost in ["deadlines", "replies", "read-gate", "watch-hub"] {
        ends_without(lost, Loss::Panics);
    }
}

fn ends_without(lost: &'static str, loss: Loss) {
    let dir = tempfile::tempdir().unwrap();
    let (disk, worker) = (Arc::new(RealDisk::at(dir.path())), Arc::new(Losing(lost, loss)));
    let life = async {
        // The node may end before it serves.
        if let Ok(node) = start_node(disk, worker, 2).await {
            node.ended().await;
            node.stop().await;
        }
    };
    block_on(async {
        tokio::select! {
            () = life => {}
            () = BootClock.sleep(LIMIT) => panic!("it goes on without {lost}: {loss:?}"),
        }
    });
}

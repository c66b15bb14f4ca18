//! A node that has lost one of its threads does not live on without it.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use naxos::config::{Program, load};
use naxos::node::Node;
use naxos_log_server::LogServerConfig;
use naxos_log_server::disk::RealDisk;
use naxos_proto::seams::{Body, BootClock, Clock, OsEntropy, Seams, SocketNet, ThreadWorker, Worker, WorkerHandle};
use support::block_on;
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
        let words: Vec<String> = support::ANYWHERE.iter().map(ToString::to_string).collect();
        let config = load(Program::Naxos, &words, &BTreeMap::new()).unwrap().config;
        let seams = Seams {
            clock: Arc::new(BootClock),
            entropy: Arc::new(OsEntropy),
            net: Arc::new(SocketNet),
            disk: Arc::new(RealDisk::at(dir.path())),
            worker: Arc::new(Losing(lost)),
        };
        let unit = LogServerConfig { segment_bytes: 1 << 20, reserve_bytes: 0, ..LogServerConfig::default() };
        let life = async {
            // It may end before it serves.
            if let Ok(node) = Node::start_with(config, seams, 2, unit).await {
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

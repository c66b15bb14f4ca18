//! What a program gets from openraft 0.9 for the same work as the replicated counter: a counter on three nodes. It is built
//! as openraft's own example `raft-kv-memstore` is, from a log store, a state machine and a network, and its log is made
//! durable.
//!
//! - The log is in memory, and each change of it is written to a file and synced before openraft is told that it is
//!   durable. Reading the file back is left out. What is in the file is enough for it.
//! - The state machine is in memory. There are no snapshots, so the log only grows.
//! - The nodes talk over TCP on the loopback interface, by connections that stay open, in JSON.
//! - All nodes run in one process, on one runtime that has a worker for each core. The writers run on the main thread,
//!   as they do for Naxos, whose nodes have threads of their own.
//! - The writers call the leader's `client_write`. This is the better case for openraft: a program whose nodes all take
//!   calls has to forward the call from a follower to the leader. The writers of Naxos use all three nodes in turn.
//!
//! openraft 0.9 gives each call of `client_write` to the leader's log store as an append of its own, waits until that
//! append is durable, and only then replicates it and takes the next call. So the leader makes one sync for each
//! command, however many writers there are. A follower takes what came meanwhile, at most 300 entries, in one append.
//! The commands here are as the example makes them: one for each call.

mod cluster;
mod counter;
mod frame;
mod log_file;
mod log_store;
mod network;
mod networks;
mod record;
mod request;
mod server;
mod types;

use std::path::Path;

use tokio::runtime::Builder;

use self::cluster::Cluster;
use super::measured::measure;

/// Length of a command in bytes: the name of `Command::Add`.
const COMMAND_BYTES: usize = 3;

/// Adds to a counter through the leader of three nodes, whose files are in a folder in `parent`.
pub(crate) fn openraft_counter(parent: &Path) {
    let folder = tempfile::Builder::new().prefix("bench-openraft-").tempdir_in(parent).expect("a folder");
    // tokio's default is a worker for each core.
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let cluster = runtime.block_on(Cluster::start(folder.path())).expect("three nodes");
    for writers in [1, 64, 256] {
        let add = async |_, _| {
            cluster.add().await;
        };
        let what = "replicated counter, openraft made durable, three nodes";
        runtime.block_on(measure(writers, add)).print(what, writers, COMMAND_BYTES);
    }
    runtime.block_on(cluster.stop());
}

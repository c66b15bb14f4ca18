//! [`Cluster`]: three nodes in this process.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use naxos_benches::pace;
use openraft::error::{ClientWriteError, RaftError};
use openraft::{BasicNode, Config, SnapshotPolicy};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::counter::Counter;
use super::log_store::LogStore;
use super::networks::Networks;
use super::server::serve;
use super::types::{Command, Raft};

const NODES: u64 = 3;
/// How long the first election, or the followers at the end, may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two looks at something that should change soon.
const RETRY: Duration = Duration::from_millis(10);

/// Three nodes, each with a file of its own.
pub(crate) struct Cluster {
    nodes: BTreeMap<u64, (Raft, Counter)>,
    /// The node that the writers call.
    leader: Cell<u64>,
    /// Number of calls that were answered.
    answered: Cell<u64>,
    /// One task for each node. They end when this is dropped.
    servers: JoinSet<()>,
}

fn config() -> Result<Config> {
    let config = Config {
        cluster_name: "counter".to_owned(),
        heartbeat_interval: 100,
        election_timeout_min: 300,
        election_timeout_max: 600,
        snapshot_policy: SnapshotPolicy::Never,
        ..Config::default()
    };
    Ok(config.validate()?)
}

impl Cluster {
    /// Starts three nodes that keep their logs in `folder`, and waits until they have elected a leader.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let config = Arc::new(config()?);
        let (mut nodes, mut members, mut servers) = (BTreeMap::new(), BTreeMap::new(), JoinSet::new());
        for id in 0..NODES {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            members.insert(id, BasicNode::new(listener.local_addr()?));
            let (log, counter) = (LogStore::create(&folder.join(format!("{id}.log")))?, Counter::default());
            let raft = Raft::new(id, config.clone(), Networks, log, counter.clone()).await?;
            servers.spawn(serve(listener, raft.clone()));
            nodes.insert(id, (raft, counter));
        }
        let first = &nodes[&0].0;
        first.initialize(members).await?;
        let elected = first.wait(Some(PATIENCE)).metrics(|seen| seen.current_leader.is_some(), "a leader").await?;
        let leader = elected.current_leader.context("the nodes have a leader")?;
        Ok(Self { nodes, leader: Cell::new(leader), answered: Cell::new(0), servers })
    }

    /// Adds 1 to the counter and returns the total. If the leader has changed, the call is made again.
    ///
    /// # Panics
    /// If a node has failed.
    pub(crate) async fn add(&self) -> u64 {
        loop {
            match self.nodes[&self.leader.get()].0.client_write(Command::Add).await {
                Ok(answer) => {
                    self.answered.set(self.answered.get() + 1);
                    return answer.data;
                }
                Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => match to.leader_id {
                    Some(leader) if leader != self.leader.get() => {
                        eprintln!(
                            "the leader has changed during the measurement: from {} to {leader}",
                            self.leader.get()
                        );
                        self.leader.set(leader);
                    }
                    _ => pace::pause(RETRY).await,
                },
                Err(e) => panic!("the leader has failed: {e}"),
            }
        }
    }

    /// Checks that no answered call is lost and that all nodes come to the same total. Then stops the nodes.
    ///
    /// # Panics
    /// If a check fails.
    pub(crate) async fn stop(self) {
        let (total, answered) = (self.nodes[&self.leader.get()].1.total(), self.answered.get());
        // A call that was made again may have been counted twice.
        assert!(total >= answered, "the total is {total} after {answered} answers");
        let agreed = async {
            while self.nodes.values().any(|(_, counter)| counter.total() < total) {
                pace::pause(RETRY).await;
            }
        };
        pace::within(PATIENCE, agreed).await.expect("all nodes apply all commands");
        for (raft, _) in self.nodes.values() {
            raft.shutdown().await.expect("the node stops");
        }
        drop(self.servers);
    }
}

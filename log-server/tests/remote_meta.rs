//! Three replicas of the register on three nodes, which call each other over sockets.

mod peers;
mod support;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use naxos_log_server::meta::{MetaConfig, MetaReplica, RemotePeers};
use naxos_log_server::{LogServer, LogServerConfig};
use naxos_proto::contracts::{MetaStore, PutOutcome};
use naxos_proto::ids::{ChainVersion, StorageId};
use naxos_proto::peer::{MetaService, PeerLink, PlainConnector};
use naxos_proto::seams::SocketNet;
use naxos_proto::suite;
use peers::{Served, home, serve_routes};
use support::{real_seams, small};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

struct Node {
    server: LogServer,
    peers: Arc<RemotePeers>,
    meta: Arc<MetaReplica>,
    served: Served,
}

fn config() -> LogServerConfig {
    LogServerConfig { segment_bytes: 1 << 20, ..small() }
}

async fn start(root: &Path, voters: &[StorageId]) -> Node {
    let seams = real_seams(root);
    let server = LogServer::open(seams.clone(), config(), CancellationToken::new()).await.unwrap();
    let peers = Arc::new(RemotePeers::default());
    let meta_config = MetaConfig { voters: voters.to_vec(), ..MetaConfig::alone(server.storage_id()) };
    let meta = MetaReplica::start(&server, &seams, meta_config, peers.clone(), CancellationToken::new()).await.unwrap();
    let service = MetaService::server(&home(server.storage_id(), 1), meta.clone());
    let served = serve_routes(Routes::new(service)).await;
    Node { server, peers, meta, served }
}

/// Links every node with every node, itself included.
fn link_all(nodes: &[Node]) {
    for from in nodes {
        for to in nodes {
            let (storage, address) = (to.server.storage_id(), to.served.address.clone());
            let connector = Arc::new(PlainConnector(Arc::new(SocketNet)));
            from.peers.set(&PeerLink::new(home(from.server.storage_id(), 1), storage, address, connector));
        }
    }
}

async fn stop(node: Node) {
    node.served.stop().await;
    node.meta.shutdown().await.unwrap();
    node.server.shutdown().await.unwrap();
}

#[tokio::test]
async fn three_replicas_on_three_nodes_conform_and_survive_the_leader() {
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut voters = Vec::new();
    for dir in &dirs {
        let server = LogServer::open(real_seams(dir.path()), config(), CancellationToken::new()).await.unwrap();
        voters.push(server.storage_id());
        server.shutdown().await.unwrap();
    }
    let mut nodes = Vec::new();
    for dir in &dirs {
        nodes.push(start(dir.path(), &voters).await);
    }
    link_all(&nodes);
    suite::meta_store(nodes[1].meta.as_ref()).await;
    let value = nodes[2].meta.get().await.unwrap();
    assert_eq!(nodes[0].meta.get().await, Ok(value.clone()));

    let leader = nodes[0].meta.leader().unwrap();
    let at = nodes.iter().position(|node| node.server.storage_id() == leader).unwrap();
    stop(nodes.remove(at)).await;
    assert_eq!(nodes[0].meta.get().await, Ok(value), "two of three go on");
    let put = nodes[1].meta.put(ChainVersion(40), Bytes::from_static(b"after")).await;
    assert_eq!(put, Ok(PutOutcome::Ok(ChainVersion(41))));
    for node in nodes {
        stop(node).await;
    }
}

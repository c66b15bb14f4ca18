//! A storage unit of another node: the unit's service and its stub, over real sockets.

mod peers;
mod support;

use std::sync::Arc;

use naxos_log_server::{LogServer, LogServerConfig};
use naxos_proto::contracts::StorageUnit;
use naxos_proto::ids::StorageId;
use naxos_proto::peer::{PeerLink, PlainConnector, RemoteUnit, UnitService};
use naxos_proto::seams::SocketNet;
use naxos_proto::suite;
use peers::{home, serve_routes};
use support::{real_seams, small};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

#[tokio::test]
async fn a_remote_unit_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let seams = real_seams(&dir.path().join("data"));
    let config = LogServerConfig { segment_bytes: 1 << 20, ..small() };
    let server = LogServer::open(seams.clone(), config, CancellationToken::new()).await.unwrap();
    let storage = server.storage_id();
    let served = serve_routes(Routes::new(UnitService::server(&home(storage, 1), server.unit().clone()))).await;

    let connector = Arc::new(PlainConnector(Arc::new(SocketNet)));
    let link = PeerLink::new(home(StorageId(1), 1), storage, served.address.clone(), connector);
    let unit = RemoteUnit::new(&link);
    assert_eq!(unit.storage_id(), storage);
    suite::storage_unit(&unit, seams.clock.as_ref()).await;
    assert_eq!(link.problem(), None);
    served.stop().await;
    server.shutdown().await.unwrap();
}

//! Runs the contracts' suites on the real and on the simulated disk.

mod support;

use std::sync::Arc;
use std::time::Duration;

use naxos_log_server::meta::{MetaConfig, MetaReplica, NoPeers};
use naxos_log_server::{LogServer, LogServerConfig};
use naxos_proto::contracts::{MetaStore, StorageUnit};
use naxos_proto::ids::ChainVersion;
use naxos_proto::seams::Seams;
use naxos_proto::seams::sim::{Drive, Latency};
use naxos_proto::suite;
use support::{real_seams, sim_seams, simulate, small};
use tokio_util::sync::CancellationToken;

async fn unit_suite(seams: Seams, config: LogServerConfig) {
    let clock = seams.clock.clone();
    let server = LogServer::open(seams, config, CancellationToken::new()).await.unwrap();
    assert_eq!(server.unit().storage_id(), server.storage_id());
    suite::storage_unit(server.unit().as_ref(), clock.as_ref()).await;
    server.shutdown().await.unwrap();
}

#[test]
fn the_unit_conforms_on_a_simulated_disk() {
    simulate(async { unit_suite(sim_seams(&Drive::new(1), 1), small()).await });
}

#[test]
fn the_unit_conforms_on_a_slow_simulated_disk() {
    let drive = Drive::new(1);
    let ms = Duration::from_millis;
    drive.set_latency(Latency { read: ms(1), write: ms(2), sync: ms(5) });
    simulate(async { unit_suite(sim_seams(&drive, 1), small()).await });
}

#[test]
fn the_unit_conforms_without_a_cache() {
    let config = LogServerConfig { cache_bytes_max: 0, ..small() };
    simulate(async { unit_suite(sim_seams(&Drive::new(1), 1), config).await });
}

#[tokio::test]
async fn the_unit_conforms_on_a_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    unit_suite(real_seams(&dir.path().join("data")), LogServerConfig { segment_bytes: 1 << 20, ..small() }).await;
}

async fn start_meta(server: &LogServer, seams: &Seams) -> Arc<MetaReplica> {
    let config = MetaConfig::alone(server.storage_id());
    MetaReplica::start(server, seams, config, Arc::new(NoPeers), CancellationToken::new()).await.unwrap()
}

async fn meta_suite(make: impl Fn() -> Seams, config: LogServerConfig) {
    let seams = make();
    let server = LogServer::open(seams.clone(), config.clone(), CancellationToken::new()).await.unwrap();
    let meta = start_meta(&server, &seams).await;
    suite::meta_store(meta.as_ref()).await;
    let value = meta.get().await.unwrap();
    meta.shutdown().await.unwrap();
    assert!(meta.get().await.is_err());
    server.shutdown().await.unwrap();

    let seams = make();
    let server = LogServer::open(seams.clone(), config, CancellationToken::new()).await.unwrap();
    let started = seams.clock.now();
    let meta = start_meta(&server, &seams).await;
    assert_eq!(meta.get().await, Ok(value), "the register survives a restart");
    let took = seams.clock.now().since(started);
    assert!(took < Duration::from_millis(100), "a single voter needs no election after a restart: {took:?}");
    assert_eq!(meta.leader(), Some(server.storage_id()));
    assert!(meta.put(ChainVersion(40), bytes::Bytes::from_static(b"next")).await.is_ok());
    meta.shutdown().await.unwrap();
    server.shutdown().await.unwrap();
}

#[test]
fn the_meta_store_conforms_on_a_simulated_disk() {
    let drive = Drive::new(1);
    simulate(async { meta_suite(|| sim_seams(&drive, 1), small()).await });
}

#[tokio::test]
async fn the_meta_store_conforms_on_a_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    meta_suite(|| real_seams(dir.path()), LogServerConfig { segment_bytes: 1 << 20, ..small() }).await;
}

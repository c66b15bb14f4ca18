//! The MetaStore's replica on a full disk: some room is kept for it, and when that is used up the replica waits
//! instead of ending.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_log_server::Unit;
use naxos_log_server::meta::{MetaConfig, MetaReplica, NoPeers};
use naxos_proto::contracts::{MetaError, MetaStore, PutOutcome, StorageUnit, UnitError, Versioned};
use naxos_proto::ids::Offset;
use naxos_proto::seams::sim::Drive;
use support::{id, open, params, payload, request, sim_seams, simulate, store};
use tokio_util::sync::CancellationToken;

/// Writes metadata until the unit accepts no more.
async fn use_up_the_room(unit: &Unit) -> UnitError {
    for at in 1..10_000 {
        if let Err(refused) = unit.trim(id(1), Offset(at)).await {
            return refused;
        }
    }
    panic!("the disk never fills");
}

async fn put(meta: &MetaReplica) -> Result<PutOutcome, MetaError> {
    let Versioned { version, .. } = meta.get().await?;
    meta.put(version, Bytes::from(format!("after version {version}"))).await
}

#[test]
fn the_register_survives_a_full_disk() {
    let drive = Drive::new(1);
    simulate(async {
        let seams = sim_seams(&drive, 1);
        let server = open(&drive).await.unwrap();
        let config = MetaConfig::alone(server.storage_id());
        let stop = CancellationToken::new();
        let meta = MetaReplica::start(&server, &seams, config, Arc::new(NoPeers), stop).await.unwrap();
        let unit = server.unit();
        unit.open(id(1), params()).await.unwrap();
        unit.open(id(2), params()).await.unwrap();
        store(unit, request(id(2), 0, &[payload(0, 10)], 0)).await.unwrap();
        assert!(matches!(put(&meta).await, Ok(PutOutcome::Ok(_))));

        // The first segment stays live, one spare is ready, and no further segment can be made.
        seams.clock.sleep(Duration::from_secs(3)).await;
        drive.set_capacity(Some(drive.used()));
        let refused = use_up_the_room(unit).await;
        assert!(matches!(refused, UnitError::DiskFull { .. }), "{refused}");
        assert!(matches!(put(&meta).await, Ok(PutOutcome::Ok(_))), "room is kept for the register");

        let mut puts = 0;
        let refused = loop {
            match put(&meta).await {
                Ok(_) => puts += 1,
                Err(refused) => break refused,
            }
            assert!(puts < 10_000, "the disk never fills");
        };
        assert!(matches!(refused, MetaError::Unknown(_)), "the put did not wait until its deadline: {refused}");
        let started = seams.clock.now();
        let refused = put(&meta).await.expect_err("there is no room");
        assert!(refused.to_string().contains("disk is full"), "{refused}");
        assert!(seams.clock.now().since(started) < Duration::from_secs(1), "a later put is refused at once");

        drive.set_capacity(None);
        seams.clock.sleep(Duration::from_secs(3)).await;
        assert!(matches!(put(&meta).await, Ok(PutOutcome::Ok(_))), "there is room again, and the replica lives");
        meta.shutdown().await.unwrap();
        server.shutdown().await.unwrap();
    });
}

#[test]
fn a_replica_that_waits_for_room_stops_when_it_is_told_to() {
    let drive = Drive::new(1);
    simulate(async {
        let seams = sim_seams(&drive, 1);
        let server = open(&drive).await.unwrap();
        let config = MetaConfig::alone(server.storage_id());
        let stop = CancellationToken::new();
        let meta = MetaReplica::start(&server, &seams, config, Arc::new(NoPeers), stop).await.unwrap();
        server.unit().open(id(1), params()).await.unwrap();
        server.unit().open(id(2), params()).await.unwrap();
        store(server.unit(), request(id(2), 0, &[payload(0, 10)], 0)).await.unwrap();
        seams.clock.sleep(Duration::from_secs(3)).await;
        drive.set_capacity(Some(drive.used()));
        use_up_the_room(server.unit()).await;
        while put(&meta).await.is_ok() {}
        meta.shutdown().await.unwrap();
        server.shutdown().await.unwrap();
    });
}

//! Data directories of every released format can be read for ever, and the bytes of the current format do not change
//! by accident. `NAXOS_BLESS=1` writes the golden files again; use it only together with a new format version.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use naxos_log_server::meta::{MetaConfig, MetaReplica, NoPeers};
use naxos_log_server::{LogServer, LogServerConfig};
use naxos_proto::contracts::{CellState, MetaStore, Purpose, StorageUnit, UnitError};
use naxos_proto::ids::{Boot, ChainVersion, Offset};
use naxos_proto::seams::Seams;
use naxos_proto::seams::sim::Drive;
use support::{OWNER, id, params, payload, real_seams, request, sim_seams, simulate, small, store};
use tokio_util::sync::CancellationToken;

const CELLS: u64 = 8;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Writes records of every kind that this release writes, except those of the MetaStore's raft log.
async fn unit_work(server: &LogServer) {
    let unit = server.unit();
    for ordinal in 1..=4 {
        unit.open(id(ordinal), params()).await.unwrap();
    }
    for at in 0..CELLS {
        store(unit, request(id(2), at, &[payload(at, 50 * at as usize)], at)).await.unwrap();
    }
    unit.fill(id(2), OWNER, Offset(CELLS), Purpose::Append { known_tail: Offset(0) }).await.unwrap();
    store(unit, request(id(3), 0, &[payload(1, 20_000), payload(2, 1)], 0)).await.unwrap();
    unit.trim(id(2), Offset(3)).await.unwrap();
    unit.seal(id(2)).await.unwrap();
    unit.drop_loglet(id(4)).await.unwrap();
    unit.raise_floor(id(1).log, 2).await.unwrap();
}

async fn check_unit(server: &LogServer) {
    let unit = server.unit();
    assert_eq!(unit.tail(id(1)).await, Err(UnitError::Dropped(id(1))), "below the floor");
    assert_eq!(unit.tail(id(4)).await, Err(UnitError::Dropped(id(4))));
    let local = unit.tail(id(2)).await.unwrap();
    assert!(local.sealed);
    assert_eq!((local.trim_point, local.tail), (Offset(3), Offset(CELLS + 1)));
    let cells = unit.read(id(2), Offset(2)..Offset(CELLS + 1), usize::MAX).await.unwrap();
    assert_eq!(cells[0], CellState::Trimmed);
    for (i, cell) in cells[1..cells.len() - 1].iter().enumerate() {
        let at = i as u64 + 3;
        assert_eq!(*cell, CellState::Present(payload(at, 50 * at as usize)), "at {at}");
    }
    assert_eq!(cells.last(), Some(&CellState::Junk));
    let cells = unit.read(id(3), Offset(0)..Offset(2), usize::MAX).await.unwrap();
    assert_eq!(cells, [CellState::Present(payload(1, 20_000)), CellState::Present(payload(2, 1))]);
}

async fn meta(server: &LogServer, seams: &Seams) -> Arc<MetaReplica> {
    let config = MetaConfig::alone(server.storage_id());
    MetaReplica::start(server, seams, config, Arc::new(NoPeers), CancellationToken::new()).await.unwrap()
}

fn bless(drive: &Drive, name: &str) {
    let root = golden(name);
    fs::create_dir_all(root.join("journal")).unwrap();
    for path in drive.paths() {
        let content = drive.content(&path).unwrap();
        // Spares and the lock file hold nothing, so they are left out.
        if content.iter().any(|b| *b != 0) {
            fs::write(root.join(path), content).unwrap();
        }
    }
}

fn blessing() -> bool {
    std::env::var_os("NAXOS_BLESS").is_some()
}

/// A copy of a golden directory. The original must not be opened, because opening changes it.
fn copied(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("journal")).unwrap();
    fs::copy(golden(name).join("format"), dir.path().join("format")).unwrap();
    for entry in fs::read_dir(golden(name).join("journal")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.path().join("journal").join(entry.file_name())).unwrap();
    }
    dir
}

fn config() -> LogServerConfig {
    LogServerConfig { log: Some(id(1).log), segment_bytes: 128 << 10, ..small() }
}

#[test]
fn the_bytes_of_format_2_do_not_change() {
    let drive = Drive::new(1);
    simulate(async {
        let seams = sim_seams(&drive, 1);
        let server = LogServer::open(seams, config(), CancellationToken::new()).await.unwrap();
        unit_work(&server).await;
        server.shutdown().await.unwrap();
    });
    if blessing() {
        bless(&drive, "v2");
    }
    for path in ["format", "journal/0000000000000001.seg"] {
        let want = fs::read(golden("v2").join(path)).unwrap();
        let have = drive.content(path).unwrap();
        let differ = want.iter().zip(&have).position(|(a, b)| a != b);
        assert!(want == have, "{path} differs from byte {differ:?} on; lengths {} and {}", want.len(), have.len());
    }
}

#[tokio::test]
async fn a_directory_of_format_2_is_read() {
    let dir = copied("v2");
    let server = LogServer::open(real_seams(dir.path()), config(), CancellationToken::new()).await.unwrap();
    assert_eq!(server.boot(), Boot(2));
    assert_eq!(server.log(), id(1).log);
    check_unit(&server).await;
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_register_of_format_2_is_read() {
    const PUTS: u64 = 30;
    let value = |version: u64| Bytes::from(format!("chain {version}"));
    if blessing() {
        let drive = Drive::new(1);
        std::thread::scope(|s| {
            let work = || {
                simulate(async {
                    let seams = sim_seams(&drive, 1);
                    let server = LogServer::open(seams.clone(), small(), CancellationToken::new()).await.unwrap();
                    let meta = meta(&server, &seams).await;
                    for version in 0..PUTS {
                        meta.put(ChainVersion(version), value(version + 1)).await.unwrap();
                    }
                    meta.shutdown().await.unwrap();
                    server.shutdown().await.unwrap();
                });
            };
            s.spawn(work);
        });
        bless(&drive, "v2-meta");
    }
    let dir = copied("v2-meta");
    let seams = real_seams(dir.path());
    let server = LogServer::open(seams.clone(), config(), CancellationToken::new()).await.unwrap();
    let meta = meta(&server, &seams).await;
    let found = meta.get().await.unwrap();
    assert_eq!((found.version, found.bytes), (ChainVersion(PUTS), value(PUTS)));
    meta.shutdown().await.unwrap();
    server.shutdown().await.unwrap();
}

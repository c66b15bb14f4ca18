//! The bytes of commands and of a store's rows (`docs/formats.md`) must not change by accident, and a `store.redb` that
//! an earlier build wrote can be read. `NAXOS_BLESS=1` writes the golden files again; use it only together with a new
//! format version.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use naxos::state::{Announced, Command, Keeper, Machine, Recover, SharedStore};
use naxos_engines::batching::Application;
use naxos_engines::{LocalStore, RowKey, StoreReader, TableId};
use naxos_log_server::disk::RealDisk;
use naxos_proto::codec::{Reader, put_bytes};
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::server::etcdserverpb::request_op::Request;
use naxos_proto::etcd::txn_request::TxnRequest;
use naxos_proto::ids::{Boot, Incarnation, LogId, LogletId, Lsn, MemberId, StorageId, StoreId};
use naxos_proto::release::ClusterVersion;
use naxos_proto::seams::BootClock;
use tokio_util::sync::CancellationToken;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn is_blessing() -> bool {
    std::env::var_os("NAXOS_BLESS").is_some()
}

fn put(key: &'static str, value: &'static str, lease: i64) -> pb::PutRequest {
    pb::PutRequest { key: key.into(), value: value.into(), lease, ..Default::default() }
}

/// Commands of every kind. Together they write rows in every table of the state machine.
fn commands() -> Vec<Command> {
    let loglet = LogletId { log: LogId(7), ordinal: 3, nonce: 0x0123_4567_89ab_cdef };
    let txn = TxnRequest {
        compare: vec![pb::Compare { key: "a".into(), range_end: "b".into(), ..Default::default() }],
        failure: vec![pb::RequestOp { request: Some(Request::RequestPut(put("in a txn", "2", 0))) }],
        ..Default::default()
    };
    let member = pb::Member {
        id: 0x8e9e_05c5_2164_694d,
        name: "default".to_owned(),
        peer_ur_ls: vec!["http://localhost:2380".to_owned()],
        client_ur_ls: vec!["http://localhost:2379".to_owned()],
        is_learner: false,
    };
    vec![
        Command::Publish(member.clone()),
        Command::KeepLeases(Keeper { loglet, storage: StorageId(0xa1) }),
        Command::LeaseGrant(pb::LeaseGrantRequest { id: 11, ttl: 60 }),
        Command::LeaseGrant(pb::LeaseGrantRequest { id: 12, ttl: 70 }),
        Command::LeaseGrant(pb::LeaseGrantRequest { id: 13, ttl: 80 }),
        Command::Put(put("a", "1", 0)),
        Command::Put(put("with a lease", "1", 11)),
        Command::Put(put("to expire", "1", 12)),
        Command::Txn(txn),
        Command::Put(put("a", "3", 0)),
        Command::DeleteRange(pb::DeleteRangeRequest { key: "in".into(), range_end: "j".into(), prev_kv: true }),
        Command::LeaseExpire { id: 12, office: loglet },
        Command::LeaseRevoke(pb::LeaseRevokeRequest { id: 13 }),
        Command::Compact(pb::CompactionRequest { revision: 3, physical: true }),
        Command::Alarm(pb::AlarmRequest { action: 1, member_id: 5, alarm: 1 }),
        Command::Begin(pb::MemberListResponse { header: None, members: vec![member.clone()] }),
        Command::AddMember {
            member: pb::Member { id: 6, peer_ur_ls: vec!["http://127.0.0.1:2".to_owned()], is_learner: true, ..member },
            learners_max: 1,
        },
        Command::TakeSeat { member: MemberId(6), storage: StorageId(0xb1), from: None },
        Command::PromoteMember(pb::MemberPromoteRequest { id: 6 }),
        Command::UpdateMember(pb::MemberUpdateRequest { id: 6, peer_ur_ls: vec!["http://127.0.0.1:3".to_owned()] }),
        Command::RemoveMember { member: MemberId(6), from: Some(StorageId(0xb1)) },
        Command::Recover(Recover {
            member: pb::Member { id: 0x8e9e_05c5_2164_694d, name: "default".to_owned(), ..Default::default() },
            storage: StorageId(0xc1),
            ended: vec![(MemberId(0x8e9e_05c5_2164_694d), StorageId(0xa1))],
            revisions: 1_000,
        }),
        Command::Alarm(pb::AlarmRequest { action: 1, member_id: 0x8e9e_05c5_2164_694d, alarm: 1 }),
        Command::Announce {
            member: MemberId(0x8e9e_05c5_2164_694d),
            announced: Announced {
                by: Incarnation { storage: StorageId(0xc1), boot: Boot(2) },
                version: ClusterVersion(1),
            },
        },
        Command::RaiseVersion(ClusterVersion(1)),
    ]
}

#[test]
fn the_bytes_of_commands_of_version_2_do_not_change() {
    let mut encoded = BytesMut::new();
    let commands = commands();
    encoded.put_u32_le(u32::try_from(commands.len()).unwrap());
    commands.iter().for_each(|command| put_bytes(&mut encoded, &command.encode(StoreId(0))));
    let file = golden("commands-v2");
    if is_blessing() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &encoded).unwrap();
    }
    let golden = fs::read(file).unwrap();
    assert_eq!(encoded, golden);
    let mut golden = Reader::new(golden.into(), "golden file");
    assert_eq!(golden.u32().unwrap() as usize, commands.len());
    for command in commands {
        assert_eq!(Command::decode(golden.bytes().unwrap()).unwrap(), (StoreId(0), command));
    }
}

async fn open(folder: &Path) -> LocalStore {
    LocalStore::open(Arc::new(RealDisk::new(folder).unwrap()), Arc::new(BootClock)).await.unwrap()
}

/// A store to which all commands were applied, and which was written to its file.
async fn written_now(folder: &Path) -> LocalStore {
    let mut store = open(folder).await;
    let reader = store.reader();
    let mut machine = Machine::new(SharedStore::rebuild(StoreId(0), &reader, usize::MAX), reader, ());
    for (command, at) in commands().into_iter().zip(0..) {
        let mut txn = store.begin();
        machine.apply(&mut txn, Lsn(at), 0, command.encode(StoreId(0))).unwrap();
        machine.end_entry(&mut txn);
        txn.commit(Lsn(at + 1));
        machine.post_apply(Lsn(at));
    }
    let stop = CancellationToken::new();
    stop.cancel();
    store.checkpointer(0).run(stop, |_| {}).await.unwrap();
    store
}

fn rows(reader: &StoreReader) -> Vec<(RowKey, Bytes)> {
    let row = |table| RowKey::new(StoreId(0), TableId(table), &[]);
    reader.scan(&row(0), &row(u8::MAX), usize::MAX)
}

#[tokio::test]
async fn a_store_of_format_2_is_read_and_its_rows_do_not_change() {
    let (now, then) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let written = written_now(now.path()).await;
    let file = golden("store-v2.redb");
    if is_blessing() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::copy(now.path().join("store.redb"), &file).unwrap();
    }
    // Opening a store changes its file, so a copy is opened.
    fs::copy(file, then.path().join("store.redb")).unwrap();
    let (written, read) = (written.reader(), open(then.path()).await.reader());
    assert_eq!(rows(&read), rows(&written));
    let tables: std::collections::BTreeSet<_> = rows(&read).iter().map(|(row, _)| row.table.0).collect();
    assert_eq!(tables.into_iter().collect::<Vec<_>>(), [32, 33, 34, 35, 36, 37, 38, 39]);
    assert_eq!(read.persisted(), written.persisted());
    assert_eq!(read.checksum(), written.checksum());
}

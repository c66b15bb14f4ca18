//! A file that is written from a store is read as the same state, and damage is told in words.

use std::sync::Arc;

use naxos_engines::LocalStore;
use naxos_engines::batching::Application;
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::ids::{Lsn, StoreId};
use naxos_proto::seams::BootClock;
use naxos_proto::seams::sim::Drive;

use super::*;
use crate::state::index::revision_key::RevisionKey;
use crate::state::{Command, Machine, SharedStore, rows};

/// A store to which commands were applied.
struct Applied {
    local: LocalStore,
    machine: Machine<()>,
    at: u64,
}

impl Applied {
    async fn new() -> Self {
        let local = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.unwrap();
        let store = SharedStore::rebuild(StoreId(0), &local.reader(), usize::MAX);
        let machine = Machine::new(store, local.reader(), ());
        Self { local, machine, at: 0 }
    }

    fn apply(&mut self, command: Command) {
        let mut txn = self.local.begin();
        self.machine.apply(&mut txn, Lsn(self.at), 0, command.encode(StoreId(0))).unwrap();
        self.machine.end_entry(&mut txn);
        self.at += 1;
        txn.commit(Lsn(self.at));
        self.machine.post_apply(Lsn(self.at));
    }

    fn put(&mut self, key: &str, value: Vec<u8>, lease: i64) {
        let put = pb::PutRequest { key: key.to_owned().into(), value: value.into(), lease, ..Default::default() };
        self.apply(Command::Put(put));
    }

    /// A store with keys, leases, deletions, a member, an alarm and a compaction.
    async fn with_everything() -> Self {
        let mut applied = Self::new().await;
        let member =
            pb::Member { id: 0xabc, name: "m".into(), peer_ur_ls: vec!["http://a:1".into()], ..Default::default() };
        applied.apply(Command::Begin(pb::MemberListResponse { header: None, members: vec![member] }));
        for id in [7, -9] {
            applied.apply(Command::LeaseGrant(pb::LeaseGrantRequest { id, ttl: 300 }));
        }
        applied.put("large", vec![1; 20_000], 0);
        for n in 0..500 {
            applied.put(&format!("key {}", n % 100), vec![b'v'; n], if n % 5 == 0 { 7 } else { 0 });
        }
        let keys = pb::DeleteRangeRequest { key: "key 1".into(), range_end: "key 3".into(), ..Default::default() };
        applied.apply(Command::DeleteRange(keys));
        applied.apply(Command::Compact(pb::CompactionRequest { revision: 300, physical: false }));
        applied.apply(Command::Alarm(pb::AlarmRequest { action: 1, member_id: 0xabc, alarm: 1 }));
        applied
    }
}

/// Makes the file, checks its checksum, and returns the file without the checksum.
fn file_of(backup: &mut Backup) -> Vec<u8> {
    let mut file = Vec::new();
    loop {
        match backup.step().unwrap() {
            Step::Nothing => {}
            Step::Pages(pages) => file.extend(pages),
            Step::Digest(digest) => {
                assert_eq!(file.len() as u64, backup.bytes(), "the length is known before the first page");
                let whole = [&file[..], &digest[..]].concat();
                assert!(has_digest(whole.len()) && !has_digest(file.len()));
                check_digest(&whole, |_| ()).unwrap();
                let mut damaged = whole.clone();
                damaged[5_000] ^= 1;
                assert!(matches!(check_digest(&damaged, |_| ()), Err(BackupError::Digest { .. })));
                return file;
            }
        }
    }
}

#[tokio::test]
async fn a_file_holds_the_state_at_the_moment_of_its_beginning() {
    let mut applied = Applied::with_everything().await;
    let reader = applied.local.reader();
    let mut backup = Backup::new(&reader, StoreId(0), 3, -1).unwrap();
    let (from, below) = rows::whole(StoreId(0), rows::KEY_VALUES);
    let expected = reader.scan(&from, &below, usize::MAX);
    let all = pb::DeleteRangeRequest { key: vec![0].into(), range_end: vec![0].into(), ..Default::default() };
    applied.apply(Command::DeleteRange(all));
    applied.apply(Command::LeaseRevoke(pb::LeaseRevokeRequest { id: 7 }));
    let file = file_of(&mut backup);
    let found = EtcdFile::open(&file).unwrap();
    assert_eq!((found.compacted, found.has_auth), (300, false));
    let key_values: Vec<_> = found.key_values().unwrap().map(Result::unwrap).collect();
    assert_eq!(key_values.len(), expected.len());
    for (found, (name, value)) in key_values.iter().zip(&expected) {
        assert_eq!(((found.at, found.deleted), found.encoded), (rows::revision_of(name), &value[..]));
    }
    assert_eq!(key_values.first().map(|row| row.at), Some(RevisionKey { main: 2, sub: 0 }));
    let leases: Vec<_> = found.leases().unwrap().map(|lease| lease.map(|l| (l.id, l.ttl)).unwrap()).collect();
    assert_eq!(leases, [(7, 300), (-9, 300)]);
    assert_eq!(found.left_out().unwrap()["alarm"], 1);
    let facts = backup.facts();
    assert_eq!((facts.revision, facts.compacted, facts.index, facts.term), (503, 300, 507, 3));
}

#[tokio::test]
async fn a_new_store_makes_a_file_too() {
    let applied = Applied::new().await;
    let file = file_of(&mut Backup::new(&applied.local.reader(), StoreId(0), 1, -1).unwrap());
    let found = EtcdFile::open(&file).unwrap();
    assert_eq!((found.compacted, found.key_values().unwrap().count(), found.leases().unwrap().count()), (-1, 0, 0));
}

#[tokio::test]
async fn damage_is_told_and_never_panics() {
    let file = file_of(&mut Backup::new(&Applied::with_everything().await.local.reader(), StoreId(0), 1, -1).unwrap());
    let mut refused = 0;
    for at in (0..file.len()).step_by(61) {
        let mut damaged = file.clone();
        damaged[at] ^= 0x15;
        let look = || -> Result<(), BackupError> {
            let found = EtcdFile::open(&damaged)?;
            found.key_values()?.try_for_each(|row| row.map(drop))?;
            found.leases()?.try_for_each(|lease| lease.map(drop))?;
            found.left_out().map(drop)
        };
        refused += usize::from(look().is_err());
    }
    assert!(refused > 100, "{refused}");
    assert!(matches!(EtcdFile::open(b"{}"), Err(BackupError::Bolt(_))));
}

//! Safety rule 9: apply is a function of the log. Two nodes that apply the same commands, at other times and with other
//! hash seeds, have the same rows, give the same answers and tell their watchers the same.

use std::sync::Arc;

use bytes::Bytes;
use naxos::state::machine::{Listener, Machine};
use naxos::state::{Command, Effects, SharedStore};
use naxos_engines::batching::Application;
use naxos_engines::{LocalStore, StoreReader};
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::ids::{Lsn, StoreId};
use naxos_proto::seams::sim::Drive;
use naxos_proto::seams::{BootClock, Clock};
use proptest::prelude::*;

/// Notes what watchers are told.
struct Ear(Arc<parking_lot::Mutex<Vec<String>>>);

impl Listener for Ear {
    fn effects(&mut self, effects: Arc<Vec<Effects>>) {
        self.0.lock().push(format!("{effects:?}"));
    }

    fn lease_granted(&mut self, id: i64, ttl: i64) {
        self.0.lock().push(format!("lease {id} of {ttl} s"));
    }

    fn lease_ended(&mut self, id: i64) {
        self.0.lock().push(format!("lease {id} ended"));
    }

    fn keeper(&mut self, term: u64) {
        self.0.lock().push(format!("keeper {term}"));
    }

    fn compacted(&mut self, revision: i64) {
        self.0.lock().push(format!("compacted {revision}"));
    }
}

/// A node's state, its answers and what its watchers were told.
struct Node {
    store: LocalStore,
    reader: StoreReader,
    machine: Machine<Ear>,
    told: Arc<parking_lot::Mutex<Vec<String>>>,
    next: u64,
}

impl Node {
    async fn new(seed: u64) -> Self {
        let store = LocalStore::open(Drive::new(seed).mount(), Arc::new(BootClock)).await.unwrap();
        let reader = store.reader();
        let told = Arc::default();
        let machine =
            Machine::new(SharedStore::rebuild(StoreId(0), &reader, usize::MAX), reader.clone(), Ear(Arc::clone(&told)));
        Node { store, reader, machine, told, next: 0 }
    }

    /// Applies one entry; its answers.
    fn apply(&mut self, commands: &[Command]) -> Vec<String> {
        let lsn = Lsn(self.next);
        self.next += 1;
        let mut txn = self.store.begin();
        let apply = |(index, command): (u32, &Command)| {
            format!("{:?}", self.machine.apply(&mut txn, lsn, index, command.encode(StoreId(0))))
        };
        let answers = (0..).zip(commands).map(apply).collect();
        self.machine.end_entry(&mut txn);
        txn.commit(lsn.next());
        self.machine.post_apply(lsn);
        self.machine.after_replies();
        answers
    }
}

fn key(n: u8) -> Bytes {
    Bytes::copy_from_slice(&[b'k', n])
}

fn command() -> impl Strategy<Value = Command> {
    let put = (0..12_u8, 0..5_i64, any::<bool>()).prop_map(|(n, lease, prev_kv)| {
        let value = Bytes::from_static(b"value");
        Command::Put(pb::PutRequest { key: key(n), value, lease, prev_kv, ..Default::default() })
    });
    let delete = (0..12_u8, 0..12_u8).prop_map(|(from, to)| {
        let (key, range_end) = (key(from), key(to));
        Command::DeleteRange(pb::DeleteRangeRequest { key, range_end, prev_kv: true })
    });
    prop_oneof![
        8 => put,
        1 => delete,
        2 => (1..5_i64).prop_map(|id| Command::LeaseGrant(pb::LeaseGrantRequest { ttl: 60, id })),
        2 => (1..5_i64).prop_map(|id| Command::LeaseRevoke(pb::LeaseRevokeRequest { id })),
        1 => (1..5_i64, 0..3_u64).prop_map(|(id, term)| Command::LeaseExpire { id, term }),
        1 => (0..3_u64).prop_map(|term| Command::KeepLeases { term }),
        1 => (0..40_i64).prop_map(|revision| Command::Compact(pb::CompactionRequest { revision, physical: false })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rule_9_the_same_log_gives_the_same_store_answers_and_events(
        log in prop::collection::vec(prop::collection::vec(command(), 1..6), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut one, mut other) = (runtime.block_on(Node::new(1)), runtime.block_on(Node::new(2)));
        let answers: Vec<_> = log.iter().map(|entry| one.apply(entry)).collect();
        // Later: a clock in apply would tell another time.
        let begun = BootClock.now();
        while BootClock.now() == begun {}
        let again: Vec<_> = log.iter().map(|entry| other.apply(entry)).collect();
        prop_assert_eq!(answers, again);
        prop_assert_eq!(one.reader.checksum(), other.reader.checksum());
        prop_assert_eq!(&*one.told.lock(), &*other.told.lock());
    }
}

#[tokio::test]
async fn rule_9_an_expiry_by_a_keeper_that_is_not_in_office_does_nothing() {
    let mut node = Node::new(1).await;
    let put = pb::PutRequest { key: key(1), lease: 7, ..Default::default() };
    node.apply(&[
        Command::KeepLeases { term: 4 },
        Command::LeaseGrant(pb::LeaseGrantRequest { ttl: 60, id: 7 }),
        Command::Put(put),
        Command::KeepLeases { term: 5 },
    ]);
    node.apply(&[Command::LeaseExpire { id: 7, term: 4 }]);
    assert!(!node.told.lock().contains(&"lease 7 ended".to_owned()), "its successor has begun all times afresh");
    node.apply(&[Command::LeaseExpire { id: 7, term: 5 }]);
    assert!(node.told.lock().contains(&"lease 7 ended".to_owned()));
}

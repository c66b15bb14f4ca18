//! Safety rule 9: apply is a function of the log. Two nodes that apply the same commands, at different times and with
//! different hash seeds, have the same rows, give the same answers and tell their watchers the same.

use std::sync::Arc;

use bytes::Bytes;
use naxos::state::{Answer, Command, Effects, Keeper, Outcome, SharedStore};
use naxos::state::{Listener, Machine};
use naxos_engines::batching::Application;
use naxos_engines::{LocalStore, RowKey, StoreReader, TableId};
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::server::etcdserverpb::request_op::Request;
use naxos_proto::etcd::txn_request::TxnRequest;
use naxos_proto::ids::{LogId, LogletId, Lsn, StorageId, StoreId};
use naxos_proto::seams::sim::Drive;
use naxos_proto::seams::{BootClock, Clock};
use proptest::prelude::*;
use prost::Message;
use tokio_util::sync::CancellationToken;

/// Records what watchers are told.
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

    fn keeper(&mut self, keeper: Keeper) {
        self.0.lock().push(format!("keeper {}", keeper.loglet.ordinal));
    }

    fn compacted(&mut self, revision: i64) {
        self.0.lock().push(format!("compacted {revision}"));
    }
}

/// The state of a node, and what its watchers were told.
struct Node {
    store: LocalStore,
    reader: StoreReader,
    machine: Machine<Ear>,
    told: Arc<parking_lot::Mutex<Vec<String>>>,
    next: u64,
}

impl Node {
    async fn new(seed: u64) -> Self {
        Self::with_memory(seed, usize::MAX).await
    }

    /// A node that keeps at most `resident_bytes_max` bytes of values in memory.
    async fn with_memory(seed: u64, resident_bytes_max: usize) -> Self {
        let store = LocalStore::open(Drive::new(seed).mount(), Arc::new(BootClock)).await.unwrap();
        let reader = store.reader();
        let told = Arc::default();
        let shared = SharedStore::rebuild(StoreId(0), &reader, resident_bytes_max);
        let machine = Machine::new(shared, reader.clone(), Ear(Arc::clone(&told)));
        Node { store, reader, machine, told, next: 0 }
    }

    /// Applies one entry. Returns the answers of its commands.
    fn apply(&mut self, commands: &[Command]) -> Vec<String> {
        let lsn = Lsn(self.next);
        self.next += 1;
        let mut txn = self.store.begin();
        let apply = |(index, command): (u32, &Command)| {
            wire(self.machine.apply(&mut txn, lsn, index, command.encode(StoreId(0))))
        };
        let answers = (0..).zip(commands).map(apply).collect();
        self.machine.end_entry(&mut txn);
        txn.commit(lsn.next());
        self.machine.post_apply(lsn);
        self.machine.after_replies();
        answers
    }
}

/// The bytes that the client gets, as text. An answer may hold some of its pairs in encoded form already. That makes no
/// difference to these bytes.
fn wire(outcome: Outcome) -> String {
    match outcome {
        Ok((Answer::Put(answer), revision)) => format!("{revision} {:?}", answer.encode_to_vec()),
        Ok((Answer::DeleteRange(answer), revision)) => format!("{revision} {:?}", answer.encode_to_vec()),
        Ok((Answer::Txn(answer), revision)) => format!("{revision} {:?}", answer.encode_to_vec()),
        other => format!("{other:?}"),
    }
}

/// Moves all rows to the disk.
async fn checkpoint(node: &Node) {
    let stop = CancellationToken::new();
    stop.cancel();
    node.store.checkpointer(0).run(stop, |_| {}).await.unwrap();
}

fn keeper(ordinal: u64) -> Keeper {
    Keeper { loglet: LogletId { log: LogId(7), ordinal, nonce: 1 }, storage: StorageId(1) }
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
        1 => (1..5_i64, 0..3_u64).prop_map(|(id, n)| Command::LeaseExpire { id, office: keeper(n).loglet }),
        1 => (0..3_u64).prop_map(|n| Command::KeepLeases(keeper(n))),
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
        // Wait until the clock shows another time, so that a clock in apply would be noticed.
        let begun = BootClock.now();
        while BootClock.now() == begun {}
        let again: Vec<_> = log.iter().map(|entry| other.apply(entry)).collect();
        prop_assert_eq!(answers, again);
        prop_assert_eq!(one.reader.checksum(), other.reader.checksum());
        prop_assert_eq!(&*one.told.lock(), &*other.told.lock());
    }
}

/// A transaction that compares values, reads the past, and writes.
fn transaction() -> impl Strategy<Value = Command> {
    let compare = (0..12_u8, 0..12_u8, any::<bool>()).prop_map(|(from, to, is_one)| pb::Compare {
        result: pb::compare::CompareResult::Equal as i32,
        target: pb::compare::CompareTarget::Value as i32,
        key: key(from),
        range_end: if is_one { Bytes::new() } else { key(to) },
        target_union: Some(pb::compare::TargetUnion::Value(Bytes::from_static(b"value"))),
    });
    let range = (0..12_u8, 0..12_u8, 0..40_i64).prop_map(|(from, to, revision)| {
        Request::RequestRange(pb::RangeRequest { key: key(from), range_end: key(to), revision, ..Default::default() })
    });
    let put = (0..12_u8, any::<bool>()).prop_map(|(n, ignore_value)| {
        let value = if ignore_value { Bytes::new() } else { Bytes::from_static(b"other value") };
        Request::RequestPut(pb::PutRequest { key: key(n), value, ignore_value, prev_kv: true, ..Default::default() })
    });
    let op = prop_oneof![2 => range, 1 => put].prop_map(|request| pb::RequestOp { request: Some(request) });
    let branch = || prop::collection::vec(op.clone(), 0..3);
    (prop::collection::vec(compare, 0..3), branch(), branch()).prop_map(|(compare, success, failure)| {
        let nested = TxnRequest { compare: compare.clone(), success: success.clone(), ..Default::default() };
        let nested = pb::RequestOp { request: Some(Request::RequestTxn(nested)) };
        Command::Txn(TxnRequest { compare, success: [success, vec![nested]].concat(), failure, ..Default::default() })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_memory_does_not_hold_is_read_before_the_store_is_locked_and_changes_no_answer(
        log in prop::collection::vec(prop::collection::vec(prop_oneof![command(), transaction()], 1..4), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut all, mut none) =
            (runtime.block_on(Node::with_memory(1, usize::MAX)), runtime.block_on(Node::with_memory(2, 0)));
        for entry in &log {
            // If apply reads from disk while it holds the lock of the store, an assertion in the server's code fails.
            prop_assert_eq!(all.apply(entry), none.apply(entry));
            for node in [&all, &none] {
                runtime.block_on(checkpoint(node));
            }
        }
        prop_assert_eq!(all.reader.checksum(), none.reader.checksum());
        prop_assert_eq!(&*all.told.lock(), &*none.told.lock());
    }
}

/// Memory holds the newest value of a key, and not an older one. A transaction that replaces a value, and then reads the
/// revision before that, needs the row of a value that memory held when the transaction began.
#[tokio::test]
async fn a_transaction_that_writes_and_then_reads_the_past_reads_no_disk_under_the_lock() {
    let put = |n: u8, value: &'static str| pb::PutRequest { key: key(n), value: value.into(), ..Default::default() };
    let op = |request| pb::RequestOp { request: Some(request) };
    let mut node = Node::new(1).await;
    node.apply(&(1..=4).map(|n| Command::Put(put(n, "before"))).collect::<Vec<_>>());
    checkpoint(&node).await;
    let past = |limit| pb::RangeRequest { key: key(0), range_end: key(9), revision: 5, limit, ..Default::default() };
    let one = pb::RangeRequest { key: key(2), revision: 5, ..Default::default() };
    let delete = pb::DeleteRangeRequest { key: key(1), ..Default::default() };
    let nested = TxnRequest { success: vec![op(Request::RequestRange(past(0)))], ..Default::default() };
    let success = vec![
        op(Request::RequestDeleteRange(delete)),
        op(Request::RequestPut(put(2, "after"))),
        op(Request::RequestRange(one)),
        op(Request::RequestRange(past(2))),
        op(Request::RequestTxn(nested)),
    ];
    let answers = node.apply(&[Command::Txn(TxnRequest { success, ..Default::default() })]);
    let found = answers[0].matches(&format!("{:?}", b"before").replace(['[', ']'], "")).count();
    assert_eq!(found, 1 + 2 + 4, "{answers:?}");
}

/// A delete makes room in a limited answer for a later key, whose value only the disk has.
#[tokio::test]
async fn a_transaction_that_deletes_and_then_reads_a_few_keys_reads_no_disk_under_the_lock() {
    let op = |request| pb::RequestOp { request: Some(request) };
    let mut node = Node::with_memory(1, 0).await;
    let put = |n| Command::Put(pb::PutRequest { key: key(n), value: "value".into(), ..Default::default() });
    node.apply(&(1..=4).map(put).collect::<Vec<_>>());
    checkpoint(&node).await;
    let delete = pb::DeleteRangeRequest { key: key(1), range_end: key(3), ..Default::default() };
    let read = pb::RangeRequest { key: key(0), range_end: key(9), limit: 1, ..Default::default() };
    let success = vec![op(Request::RequestDeleteRange(delete)), op(Request::RequestRange(read))];
    let answers = node.apply(&[Command::Txn(TxnRequest { success, ..Default::default() })]);
    let found = answers[0].matches(&format!("{:?}", b"value").replace(['[', ']'], "")).count();
    assert_eq!(found, 1, "{answers:?}");
}

#[tokio::test]
async fn rule_9_an_expiry_by_a_keeper_that_is_not_in_office_does_nothing() {
    let mut node = Node::new(1).await;
    let put = pb::PutRequest { key: key(1), lease: 7, ..Default::default() };
    node.apply(&[
        Command::KeepLeases(keeper(4)),
        Command::LeaseGrant(pb::LeaseGrantRequest { ttl: 60, id: 7 }),
        Command::Put(put),
        Command::KeepLeases(keeper(5)),
    ]);
    // The keeper with ordinal 4 slept. Two of its commands reach the log only now, after its successor took office: one
    // to take office, and one that ends the lease.
    node.apply(&[Command::KeepLeases(keeper(4)), Command::LeaseExpire { id: 7, office: keeper(4).loglet }]);
    assert!(!node.told.lock().contains(&"lease 7 ended".to_owned()), "its successor has renewed the lease");
    // A node that lost the race for the chain: its loglet has the ordinal of the keeper's loglet, but another nonce.
    let loser = LogletId { nonce: 2, ..keeper(5).loglet };
    node.apply(&[Command::LeaseExpire { id: 7, office: loser }]);
    assert!(!node.told.lock().contains(&"lease 7 ended".to_owned()), "that loglet was never in office");
    node.apply(&[Command::LeaseExpire { id: 7, office: keeper(5).loglet }]);
    assert!(node.told.lock().contains(&"lease 7 ended".to_owned()));
}

#[tokio::test]
async fn a_member_that_publishes_itself_changes_only_its_name_and_client_urls() {
    let mut node = Node::new(1).await;
    let member = |id, name: &str, is_learner| pb::Member {
        id,
        name: name.to_owned(),
        peer_ur_ls: vec![format!("http://{name}:2380")],
        client_ur_ls: vec![format!("http://{name}:2379")],
        is_learner,
    };
    let rows = |node: &Node| {
        let (from, below) = (RowKey::new(StoreId(0), TableId(36), &[]), RowKey::new(StoreId(0), TableId(37), &[]));
        let rows = node.reader.scan(&from, &below, 10);
        rows.into_iter().map(|(_, row)| pb::Member::decode(row).unwrap()).collect::<Vec<_>>()
    };
    node.apply(&[Command::Publish(member(1, "learner", true))]);
    node.apply(&[Command::Publish(member(1, "voter", false))]);
    let expected = pb::Member { peer_ur_ls: vec!["http://learner:2380".to_owned()], ..member(1, "voter", true) };
    assert_eq!(rows(&node), std::slice::from_ref(&expected));
    let list = pb::MemberListResponse { header: None, members: vec![member(3, "late", false)] };
    node.apply(&[Command::Begin(list)]);
    assert_eq!(rows(&node), std::slice::from_ref(&expected), "the cluster has begun already");
    let answer = node.apply(&[Command::Publish(member(2, "removed", false))]);
    assert!(answer[0].contains("MemberNotFound"), "{answer:?}");
    assert_eq!(rows(&node), [expected]);
}

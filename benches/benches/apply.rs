//! Applies an entry of 64 commands in the state machine: decoding, the index, the rows of the local store's open delta
//! and the answers. There is no log, and there are no checkpoints: a store is replaced before it would need one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use naxos::state::{Answer, Command, Machine, Outcome, SharedStore};
use naxos_benches::load::keys::{Keys, Random, Values};
use naxos_benches::pace;
use naxos_engines::LocalStore;
use naxos_engines::batching::Application;
use naxos_engines::local_store::{DELTA_BYTES_MAX, FROZEN_MAX};
use naxos_proto::etcd::server::etcdserverpb as pb;
use naxos_proto::etcd::server::etcdserverpb::{compare, request_op::Request};
use naxos_proto::etcd::txn_request::TxnRequest;
use naxos_proto::ids::{Lsn, StoreId};
use naxos_proto::seams::BootClock;
use naxos_proto::seams::sim::Drive;

/// The allocator that the server uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Number of commands in an entry.
const COMMANDS: u64 = 64;

/// Number of keys in a new store.
const KEYS: u64 = 160 * COMMANDS;

/// Size of a value in bytes.
const VALUE_BYTES: usize = 256;

/// A command adds at most this many bytes to the delta.
const ROW_BYTES_MAX: usize = 2 * VALUE_BYTES;

/// Number of commands after which a store is replaced. Their rows fit in the deltas that a store can hold without a
/// checkpoint.
const LIFE: u64 = (FROZEN_MAX * DELTA_BYTES_MAX / ROW_BYTES_MAX) as u64;

#[derive(Clone, Copy)]
enum Work {
    NewKeys,
    Overwrites,
    /// A Txn that puts a key if its revision is still the one that was read. kube-apiserver updates objects in this
    /// way.
    Updates,
    Deletes,
}

/// A state machine and its store on a simulated disk.
struct Rig {
    store: LocalStore,
    machine: Machine<()>,
    keys: Keys,
    values: Values,
    random: Random,
    /// The mod revision of each of the first [`KEYS`] keys.
    revisions: Vec<i64>,
    /// The number of the next unused key.
    unused: u64,
    entries: u64,
}

impl Rig {
    fn new() -> Self {
        let opened = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock));
        let store = pace::runtime().expect("a runtime").block_on(opened).expect("a store");
        let reader = store.reader();
        let machine = Machine::new(SharedStore::rebuild(StoreId(0), &reader, usize::MAX), reader, ());
        let keys = Keys { prefix: "bench/".to_owned(), count: KEYS };
        let (values, random) = (Values::new(VALUE_BYTES), Random::new(1));
        let mut rig = Self { store, machine, keys, values, random, revisions: Vec::new(), unused: 0, entries: 0 };
        while rig.unused < KEYS {
            let puts: Vec<_> = rig.take_unused().map(|n| rig.put(n)).collect();
            let outcomes = rig.apply(&puts);
            rig.revisions.extend(outcomes.iter().map(|outcome| done(outcome).1));
        }
        rig
    }

    /// The time that `rounds` entries of `work` take, without their preparation.
    fn time(&mut self, rounds: u64, work: Work) -> Duration {
        let mut spent = Duration::ZERO;
        for _ in 0..rounds {
            if self.entries * COMMANDS >= LIFE {
                *self = Self::new();
            }
            let touched = self.choose(work);
            let commands: Vec<_> = touched.iter().map(|n| self.command(work, *n)).collect();
            let begun = pace::now();
            let outcomes = self.apply(&commands);
            spent += begun.elapsed();
            for (n, outcome) in touched.iter().zip(&outcomes) {
                let (answer, revision) = done(outcome);
                assert!(!matches!(answer, Answer::Txn(r) if !r.succeeded), "nobody else has changed the key");
                if let Some(known) = self.revisions.get_mut(*n as usize) {
                    *known = *revision;
                }
            }
        }
        spent
    }

    /// The keys of the next entry, all different.
    fn choose(&mut self, work: Work) -> Vec<u64> {
        match work {
            Work::NewKeys => self.take_unused().collect(),
            Work::Overwrites | Work::Updates => {
                // The keys are all different because they are at equal distances. The first one is random, so that each
                // entry has other keys.
                let first = self.random.below(KEYS);
                (0..COMMANDS).map(|n| (first + n * (KEYS / COMMANDS)) % KEYS).collect()
            }
            Work::Deletes => {
                let ours: Vec<_> = self.take_unused().collect();
                let puts: Vec<_> = ours.iter().map(|n| self.put(*n)).collect();
                self.apply(&puts);
                ours
            }
        }
    }

    fn take_unused(&mut self) -> std::ops::Range<u64> {
        let first = self.unused;
        self.unused += COMMANDS;
        first..self.unused
    }

    fn command(&self, work: Work, n: u64) -> Bytes {
        match work {
            Work::NewKeys | Work::Overwrites => self.put(n),
            Work::Updates => self.update(n),
            Work::Deletes => {
                let delete = pb::DeleteRangeRequest { key: self.keys.key(n), ..Default::default() };
                Command::DeleteRange(delete).encode(StoreId(0))
            }
        }
    }

    fn put_request(&self, n: u64) -> pb::PutRequest {
        pb::PutRequest { key: self.keys.key(n), value: self.values.value(), ..Default::default() }
    }

    fn put(&self, n: u64) -> Bytes {
        Command::Put(self.put_request(n)).encode(StoreId(0))
    }

    fn update(&self, n: u64) -> Bytes {
        let same = pb::Compare {
            result: compare::CompareResult::Equal as i32,
            target: compare::CompareTarget::Mod as i32,
            key: self.keys.key(n),
            target_union: Some(compare::TargetUnion::ModRevision(self.revisions[n as usize])),
            ..Default::default()
        };
        let get = pb::RangeRequest { key: self.keys.key(n), ..Default::default() };
        let op = |request| vec![pb::RequestOp { request: Some(request) }];
        let txn = TxnRequest {
            compare: vec![same],
            success: op(Request::RequestPut(self.put_request(n))),
            failure: op(Request::RequestRange(get)),
            ..TxnRequest::default()
        };
        Command::Txn(txn).encode(StoreId(0))
    }

    /// Applies one entry as the stack does.
    fn apply(&mut self, commands: &[Bytes]) -> Vec<Outcome> {
        let lsn = Lsn(self.entries);
        self.entries += 1;
        let mut txn = self.store.begin();
        let outcomes = (0..)
            .zip(commands)
            .map(|(index, command)| self.machine.apply(&mut txn, lsn, index, command.clone()))
            .collect();
        self.machine.end_entry(&mut txn);
        txn.commit(lsn.next());
        self.machine.post_apply(lsn);
        self.machine.after_replies();
        outcomes
    }
}

fn done(outcome: &Outcome) -> &(Answer, i64) {
    outcome.as_ref().expect("the command is done")
}

fn apply(criterion: &mut Criterion) {
    let mut rig = Rig::new();
    let mut group = criterion.benchmark_group("apply");
    group.throughput(Throughput::Elements(COMMANDS));
    for (name, work) in [
        ("puts of new keys", Work::NewKeys),
        ("puts over old keys", Work::Overwrites),
        ("updates by txn", Work::Updates),
        ("deletes", Work::Deletes),
    ] {
        group.bench_function(name, |bencher| bencher.iter_custom(|rounds| rig.time(rounds, work)));
    }
    group.finish();
}

criterion_group!(benches, apply);
criterion_main!(benches);

//! Many writers on several replicas: the outcome is that of one transaction after the other.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use naxos_engines::objects::{Decision, Map, Objects, Transaction, Version};
use naxos_proto::ids::Lsn;
use naxos_proto::seams::sim::Drive;
use naxos_proto::splitmix::SplitMix64;
use tokio_util::sync::CancellationToken;

use crate::replica::World;

const REPLICAS: usize = 3;
const WRITERS: usize = 8;
const ACCOUNTS: usize = 5;
const START: i64 = 1_000;
/// Transactions that each writer begins.
const ROUNDS: usize = 250;
const KEY: &str = "balance";

/// What one transaction did that was committed.
struct Done {
    version: Version,
    /// Account, balance, and the version of the balance.
    reads: Vec<(usize, i64, Version)>,
    writes: Vec<(usize, i64)>,
}

/// What a replica has in the end: the next position to apply, and the checksum.
type End = (Lsn, u64);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn accounts(objects: &Objects) -> Vec<Map> {
    let open = (0..ACCOUNTS).map(async |n| objects.map(&format!("account-{n}")).await.unwrap());
    futures::future::join_all(open).await
}

fn balance(value: &Bytes) -> i64 {
    i64::from_le_bytes(value[..].try_into().unwrap())
}

fn read(transaction: &mut Transaction, accounts: &[Map], account: usize) -> (usize, i64, Version) {
    let found = transaction.read(accounts[account].get(KEY)).unwrap().expect("every account has a balance");
    (account, balance(&found.value), found.version)
}

/// One transaction: a transfer between two accounts, or a look at all of them. `None` if it was aborted.
async fn round(objects: &Objects, accounts: &[Map], random: &mut SplitMix64) -> Option<Done> {
    let mut transaction = objects.begin().await.unwrap();
    let mut draw = |bound: usize| usize::try_from(random.below(bound as u64)).unwrap();
    let mut writes = Vec::new();
    let mut reads = Vec::new();
    if draw(4) == 0 {
        for account in 0..ACCOUNTS {
            reads.push(read(&mut transaction, accounts, account));
            // Others write between the reads.
            tokio::task::yield_now().await;
        }
    } else {
        let from = draw(ACCOUNTS);
        let to = (from + 1 + draw(ACCOUNTS - 1)) % ACCOUNTS;
        let amount = i64::try_from(draw(50)).unwrap();
        reads.push(read(&mut transaction, accounts, from));
        tokio::task::yield_now().await;
        reads.push(read(&mut transaction, accounts, to));
        writes = vec![(from, reads[0].1 - amount), (to, reads[1].1 + amount)];
        for (account, balance) in &writes {
            let update = accounts[*account].put(KEY, balance.to_le_bytes().to_vec());
            transaction.write(update).unwrap();
        }
    }
    match transaction.commit().await.unwrap() {
        Decision::Committed(version) => Some(Done { version, reads, writes }),
        Decision::Aborted(_) => None,
    }
}

/// Runs a replica on a thread of its own until `stop`. Returns its objects, and in the end what it has applied.
fn replica(world: &World, storage: u64, stop: &CancellationToken) -> (Objects, thread::JoinHandle<End>) {
    let (world, stop, (tell, told)) = (world.clone(), stop.clone(), mpsc::sync_channel(1));
    let body = async move {
        let replica = world.start(storage, 1, &Drive::new(storage)).await;
        tell.send(replica.objects.clone()).unwrap();
        stop.cancelled().await;
        let reader = replica.stack.reader();
        (reader.applied(), reader.checksum())
    };
    let running = thread::spawn(move || runtime().block_on(body));
    (told.recv().unwrap(), running)
}

#[test]
fn transfers_of_8_writers_on_3_replicas_are_serializable() {
    let (world, stop) = (World::new(), CancellationToken::new());
    let (replicas, running): (Vec<_>, Vec<_>) = (1..=REPLICAS as u64).map(|n| replica(&world, n, &stop)).unzip();
    let started = runtime().block_on(async {
        let mut transaction = replicas[0].begin().await.unwrap();
        for account in &accounts(&replicas[0]).await {
            transaction.write(account.put(KEY, START.to_le_bytes().to_vec())).unwrap();
        }
        match transaction.commit().await.unwrap() {
            Decision::Committed(version) => version,
            Decision::Aborted(why) => panic!("{why}"),
        }
    });

    let writers = (0..WRITERS).map(|writer| {
        let objects = replicas[writer % REPLICAS].clone();
        thread::spawn(move || {
            runtime().block_on(async {
                let accounts = accounts(&objects).await;
                // Waits until the first balances are applied here.
                accounts[0].get(KEY).linearizable().await.unwrap();
                let mut random = SplitMix64::new(writer as u64);
                let mut done = Vec::new();
                for _ in 0..ROUNDS {
                    done.extend(round(&objects, &accounts, &mut random).await);
                }
                done
            })
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut all: Vec<Done> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    let (transfers, looks) = (
        all.iter().filter(|done| !done.writes.is_empty()).count(),
        all.iter().filter(|done| done.writes.is_empty()).count(),
    );
    println!("{transfers} transfers and {looks} looks committed, {} aborted", WRITERS * ROUNDS - all.len());
    assert!(transfers > 100 && looks > 20 && all.len() < WRITERS * ROUNDS, "there is success and contention");

    // One after the other, in the order of their versions. A look sees the transfers up to its version.
    all.sort_by_key(|done| (done.version, done.writes.is_empty()));
    let mut model: BTreeMap<usize, (i64, Version)> = (0..ACCOUNTS).map(|n| (n, (START, started))).collect();
    for done in &all {
        for (account, balance, version) in &done.reads {
            assert_eq!((*balance, *version), model[account], "account {account} at {}", done.version);
        }
        for (account, balance) in &done.writes {
            model.insert(*account, (*balance, done.version));
        }
        assert_eq!(model.values().map(|(balance, _)| balance).sum::<i64>(), START * ACCOUNTS as i64);
    }
    let ends: Vec<_> = replicas.iter().map(|objects| runtime().block_on(last(objects))).collect();
    let expected: Vec<_> = model.values().copied().collect();
    assert!(ends.iter().all(|end| *end == expected), "{ends:?}\n{expected:?}");
    stop.cancel();
    let ends: Vec<_> = running.into_iter().map(|replica| replica.join().unwrap()).collect();
    assert!(ends.iter().all(|end| *end == ends[0]), "all replicas are equal: {ends:?}");
}

/// The balances and their versions, by linearizable reads.
async fn last(objects: &Objects) -> Vec<(i64, Version)> {
    let mut found = Vec::new();
    for account in accounts(objects).await {
        let field = account.get(KEY).linearizable().await.unwrap().unwrap();
        found.push((balance(&field.value), field.version));
    }
    found
}

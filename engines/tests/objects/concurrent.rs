//! Many writers on several replicas, each on a thread of its own.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use naxos_engines::objects::{Objects, ObjectsApply};
use naxos_engines::stack::Stack;
use naxos_proto::seams::sim::Drive;
use naxos_proto::splitmix::SplitMix64;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::bank::{Done, Told, accounts, check, found, round};
use crate::replica::World;

const REPLICAS: usize = 3;
const WRITERS: usize = 8;
/// Transactions that each writer begins.
const ROUNDS: u64 = 1_000;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A replica in one of its lives.
#[derive(Clone)]
struct Life {
    objects: Objects,
    stack: Arc<Stack<ObjectsApply>>,
}

/// The present life of a replica.
type Present = Arc<Mutex<Life>>;

/// Runs a replica on a thread of its own, until `stop`. Until `calm` it dies again and again, each time after a few
/// milliseconds.
fn start(world: &World, storage: u64, calm: &CancellationToken, stop: &CancellationToken) -> Present {
    let (world, calm, stop, (tell, told)) = (world.clone(), calm.clone(), stop.clone(), mpsc::sync_channel(1));
    let lives = move || {
        let mut drive = Drive::new(storage);
        let mut random = SplitMix64::new(storage);
        let mut present: Option<Present> = None;
        for boot in 1.. {
            runtime().block_on(async {
                let replica = world.start(storage, boot, &drive).await;
                let life = Life { objects: replica.objects.clone(), stack: replica.stack.clone() };
                match &present {
                    Some(present) => *present.lock() = life,
                    None => tell.send(present.insert(Arc::new(Mutex::new(life))).clone()).unwrap(),
                }
                let time = tokio::time::sleep(Duration::from_millis(5 + random.below(30)));
                if calm.run_until_cancelled(time).await.is_none() {
                    stop.cancelled().await;
                }
                // What a process has written to its file survives the process, whether it was synced or not.
                drive = drive.copy(boot);
            });
            if stop.is_cancelled() {
                return;
            }
        }
    };
    thread::spawn(lives);
    told.recv().unwrap()
}

/// The body of a writer. It takes the objects anew for each transaction, because its replica may have died.
async fn write(writer: u64, replica: Present) -> Vec<(Done, Told)> {
    let mut random = SplitMix64::new(writer);
    let mut all = Vec::new();
    for n in 1..=ROUNDS {
        let objects = replica.lock().objects.clone();
        match accounts(&objects).await {
            Some(accounts) => all.extend(round(&objects, &accounts, &mut random, writer * ROUNDS + n).await),
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    all
}

/// Waits until all replicas have applied the same, and compares their checksums.
fn compare(replicas: &[Present]) {
    for _ in 0..10_000 {
        let lives: Vec<Life> = replicas.iter().map(|replica| replica.lock().clone()).collect();
        let found = lives.iter().all(|life| runtime().block_on(accounts(&life.objects)).is_some());
        let ends: Vec<_> = lives.iter().map(|l| (l.stack.reader().applied(), l.stack.reader().checksum())).collect();
        if found && ends.iter().all(|(applied, _)| *applied == ends[0].0) {
            assert!(ends.iter().all(|end| *end == ends[0]), "the replicas differ: {ends:?}");
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("the replicas do not come together");
}

/// Runs the writers, and checks what they did. Replicas 2 and 3 die meanwhile if `dies` is true.
fn run(dies: bool) {
    let (world, calm, stop) = (World::new(), CancellationToken::new(), CancellationToken::new());
    let ever_calm = CancellationToken::new();
    ever_calm.cancel();
    let calm_of = |n| if dies && n > 1 { &calm } else { &ever_calm };
    let replicas: Vec<_> = (1..=REPLICAS as u64).map(|n| start(&world, n, calm_of(n), &stop)).collect();
    let first = replicas[0].lock().objects.clone();
    runtime().block_on(found(&first));
    let writers = (0..WRITERS).map(|writer| {
        let replica = replicas[writer % REPLICAS].clone();
        thread::spawn(move || runtime().block_on(write(writer as u64, replica)))
    });
    let writers: Vec<_> = writers.collect();
    let all: Vec<_> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    calm.cancel();

    let count = |is_transfer: bool, wanted: fn(&Told) -> bool| {
        all.iter().filter(|(done, told)| done.is_transfer() == is_transfer && wanted(told)).count()
    };
    let transfers = count(true, |told| matches!(told, Told::Committed(_)));
    let looks = count(false, |told| matches!(told, Told::Committed(_)));
    let aborted = all.iter().filter(|(_, told)| *told == Told::Aborted).count();
    let unknown = all.iter().filter(|(_, told)| *told == Told::Unknown).count();
    let begun = all.len();
    compare(&replicas);
    let late = runtime().block_on(check(&first, all));
    println!(
        "of {begun} transactions {transfers} transfers and {looks} looks committed, {aborted} aborted, {unknown} \
         unknown, of which {late} were done"
    );
    assert!(transfers > 500 && looks > 100 && aborted > 100, "too little success, or too little contention");
    assert_eq!(unknown > 0, dies, "outcomes are unknown only to callers of a replica that dies");
    stop.cancel();
}

#[test]
fn transfers_of_8_writers_on_3_replicas_are_serializable() {
    run(false);
}

#[test]
fn transfers_are_serializable_while_two_replicas_die_again_and_again() {
    run(true);
}

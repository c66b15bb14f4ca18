//! Several transactions over all types of objects are open at the same time, and their steps come in random order. What
//! was committed must be what one transaction after the other would have done and seen.

use naxos_engines::objects::{Decision, Transaction, TransactionError, Version};
use naxos_proto::splitmix::SplitMix64;

use crate::model::All;
use crate::replica::World;

const SEEDS: u64 = 100;
const STEPS: usize = 500;
const OPEN_MAX: usize = 4;

/// What a transaction does next: the kind, and a number for its details.
type Step = (u64, u64);

/// A transaction with what it did and saw.
struct Open {
    transaction: Transaction,
    steps: Vec<(Step, String)>,
    writes: bool,
}

/// What a caller sees of a result. The result must not have a version in it, because versions differ between two runs.
fn shown<T: std::fmt::Debug>(result: Result<T, TransactionError>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(TransactionError::Refused(refused)) => refused.to_string(),
        Err(e) => panic!("{e}"),
    }
}

/// Does a step. Returns what the caller sees.
fn act(all: &All, transaction: &mut Transaction, (kind, detail): Step) -> String {
    let (key, value, at) = (format!("k{}", detail % 3), detail.to_string(), detail % 3);
    let path = ["/a", "/a/b", "/d"][usize::try_from(at).unwrap()];
    match kind {
        0 => shown(transaction.read(all.register.get())),
        1 => shown(transaction.write(all.register.set(value))),
        2 => shown(transaction.read(all.map.get(key)).map(|found| found.map(|found| found.value))),
        3 => shown(transaction.write(all.map.put(key, value))),
        4 => shown(transaction.run(all.map.remove(key))),
        5 => shown(transaction.read(all.map.len())),
        6 => shown(transaction.read(all.counter.get())),
        7 => shown(transaction.write(all.counter.add(3))),
        8 => shown(transaction.run(all.counter.add(5))),
        9 => shown(transaction.write(all.set.add(key))),
        10 => shown(transaction.run(all.set.add(key))),
        11 => shown(transaction.write(all.set.remove(key))),
        12 => shown(transaction.read(all.set.members("", 2))),
        13 => shown(transaction.write(all.list.push(value))),
        14 => shown(transaction.write(all.list.insert(at, value))),
        15 => shown(transaction.run(all.list.take(at))),
        16 => shown(transaction.read(all.list.items(0, 100))),
        17 => shown(transaction.write(all.queue.push(value))),
        18 => shown(transaction.run(all.queue.pop())),
        19 => shown(transaction.write(all.queue.pop())),
        20 => shown(transaction.read(all.queue.peek())),
        21 => shown(transaction.read(all.queue.len())),
        22 => shown(transaction.write(all.tree.create(path, value))),
        23 => shown(transaction.write(all.tree.delete(path))),
        24 => shown(transaction.read(all.tree.children("/"))),
        25 => shown(transaction.read(all.tree.get(path))),
        26 => shown(transaction.write(all.index.put(key, value))),
        27 => shown(transaction.write(all.index.remove(key))),
        _ => shown(transaction.read(all.index.range("k1", None, 10))),
    }
}

const READS: [u64; 11] = [0, 2, 5, 6, 12, 16, 20, 21, 24, 25, 28];

/// Runs transactions. Returns those that were committed, in the order of the log, how many were aborted, and what can
/// be read at the end.
async fn run(seed: u64) -> (Vec<(Version, Open)>, usize, Vec<String>) {
    let replica = World::alone(seed).await;
    let all = All::open(&replica.objects).await;
    let mut random = SplitMix64::new(seed);
    let (mut open, mut committed, mut aborted) = (Vec::new(), Vec::new(), 0);
    for _ in 0..STEPS {
        if open.len() < OPEN_MAX {
            let transaction = replica.objects.begin_local();
            open.push(Open { transaction, steps: Vec::new(), writes: random.below(4) > 0 });
        }
        let at = usize::try_from(random.below(open.len() as u64)).unwrap();
        if random.below(8) > 0 {
            let one = &mut open[at];
            let kind = if one.writes { random.below(29) } else { READS[usize::try_from(random.below(11)).unwrap()] };
            let step = (kind, random.below(1_000));
            let seen = act(&all, &mut one.transaction, step);
            one.steps.push((step, seen));
            continue;
        }
        let Open { transaction, steps, .. } = open.swap_remove(at);
        // The transaction has written something if one of its writes was not refused. No two transactions that write
        // have the same version. One that only reads can have the version of the last write that it saw, and is then
        // sorted behind that write.
        let before = replica.stack.reader().applied();
        match transaction.commit().await.unwrap() {
            Decision::Committed(version) => {
                let writes = replica.stack.reader().applied() > before;
                let transaction = replica.objects.begin_local();
                committed.push((version, Open { transaction, steps, writes }));
            }
            Decision::Aborted(_) => aborted += 1,
        }
    }
    committed.sort_by_key(|(version, one)| (*version, !one.writes));
    let mut last = replica.objects.begin_local();
    let end = READS.iter().map(|kind| act(&all, &mut last, (*kind, 1))).collect();
    (committed, aborted, end)
}

#[tokio::test]
async fn transactions_over_all_types_are_as_if_one_ran_after_the_other() {
    let (mut done, mut undone) = (0, 0);
    for seed in 1..=SEEDS {
        let (committed, aborted, end) = run(seed).await;
        done += committed.len();
        undone += aborted;
        let replica = World::alone(seed).await;
        let all = All::open(&replica.objects).await;
        for (version, one) in &committed {
            let mut transaction = replica.objects.begin_local();
            for (step, seen) in &one.steps {
                assert_eq!(&act(&all, &mut transaction, *step), seen, "seed {seed}, version {version}, step {step:?}");
            }
            let decision = transaction.commit().await.unwrap();
            assert!(matches!(decision, Decision::Committed(_)), "seed {seed}, version {version}: {decision:?}");
        }
        let mut last = replica.objects.begin_local();
        let found: Vec<_> = READS.iter().map(|kind| act(&all, &mut last, (*kind, 1))).collect();
        assert_eq!(found, end, "seed {seed}");
    }
    println!("{done} transactions committed, {undone} aborted");
    assert!(done > 1_000 && undone > 1_000);
}

//! The commit rules of Tango, as twelve traces. They are test vectors of the single-process reference model of Tango
//! (derekelkins/tangohs, BSD-3), in a notation of our own. Objects are registers, named by number. `w o=v` outside a
//! transaction writes at once; `r o=v` outside reads and must see v. `tN: w o=v` buffers a write in transaction N;
//! `tN: r o=v` reads in it and must see v. `tN: commit` or `tN: ABORT` is what has to be decided.

use std::collections::BTreeMap;

use naxos_engines::objects::{Decision, Register, Transaction};

use crate::replica::World;

/// The name of a register, and its value.
fn assignment(text: &str) -> (&str, &str) {
    text.split_once('=').expect("an assignment")
}

async fn run(trace: &str) {
    let replica = World::alone(1).await;
    let objects = &replica.objects;
    let mut registers: BTreeMap<String, Register> = BTreeMap::new();
    for name in ["1", "2", "3"] {
        registers.insert(name.to_owned(), objects.register(name).await.unwrap());
    }
    let mut transactions: BTreeMap<String, Transaction> = BTreeMap::new();
    // A register that was never written counts as 0.
    let shown = |value: Option<bytes::Bytes>| value.map_or("0".to_owned(), |v| String::from_utf8(v.to_vec()).unwrap());
    for step in trace.split("; ") {
        let (transaction, action) = match step.split_once(": ") {
            Some((transaction, action)) => (Some(transaction.to_owned()), action),
            None => (None, step),
        };
        let Some(name) = transaction else {
            let (kind, rest) = action.split_once(' ').unwrap();
            let (register, value) = assignment(rest);
            let register = &registers[register];
            match kind {
                "w" => drop(register.set(value.to_owned()).commit().await.unwrap()),
                "r" => assert_eq!(shown(register.get().linearizable().await.unwrap()), value, "{step} in {trace}"),
                _ => panic!("{step}"),
            }
            continue;
        };
        if !transactions.contains_key(&name) {
            transactions.insert(name.clone(), objects.begin().await.unwrap());
        }
        match action.split_once(' ') {
            None => {
                let decision = transactions.remove(&name).unwrap().commit().await.unwrap();
                let is_committed = matches!(decision, Decision::Committed(_));
                assert_eq!(is_committed, action == "commit", "{step} in {trace}: {decision:?}");
            }
            Some((kind, rest)) => {
                let (register, value) = assignment(rest);
                let (register, transaction) = (&registers[register], transactions.get_mut(&name).unwrap());
                match kind {
                    "w" => transaction.write(register.set(value.to_owned())).unwrap(),
                    "r" => assert_eq!(shown(transaction.read(register.get()).unwrap()), value, "{step} in {trace}"),
                    _ => panic!("{step}"),
                }
            }
        }
    }
    assert!(transactions.is_empty(), "a trace decides all its transactions");
}

#[tokio::test]
async fn aborted_transaction_overlaps_read_set() {
    run("w 1=0; w 2=0; t1: r 1=0; t2: r 2=0; w 2=22; t2: w 1=33; t2: ABORT; t1: w 1=66; t1: commit; r 1=66; r 2=22")
        .await;
}

#[tokio::test]
async fn aborted_transfer_from_r1_to_r2() {
    run("w 1=0; w 2=0; t1: r 1=0; t1: r 2=0; w 1=50; t1: w 1=-100; t1: w 2=100; t1: ABORT; r 1=50; r 2=0").await;
}

#[tokio::test]
async fn accepted_write_after_transaction_start() {
    run("w 1=0; t1: r 1=0; w 2=10; t1: r 2=10; t1: commit").await;
}

#[tokio::test]
async fn committed_transaction_overlaps_readset() {
    run("w 1=0; w 2=0; t1: r 1=0; t2: r 2=0; t2: w 1=33; t2: commit; t1: w 1=66; t1: ABORT; r 1=33; r 2=0").await;
}

#[tokio::test]
async fn interleave_trace() {
    run("w 1=0; w 2=0; t1: r 1=0; t1: r 2=0; t2: r 1=0; t2: r 2=0; t1: w 1=-100; t1: w 2=100; t2: w 1=-333; \
         t2: w 2=333; t1: commit; t2: ABORT; r 1=-100; r 2=100")
    .await;
}

#[tokio::test]
async fn out_of_date_state_when_doing_commit_validation_in_a_transaction() {
    run("w 1=0; w 2=0; w 3=0; t1: r 1=0; t2: r 3=0; w 3=22; t2: w 2=33; t2: ABORT; t1: r 2=0; t1: commit; r 2=0; \
         r 3=22")
    .await;
}

#[tokio::test]
async fn post_increment() {
    run("t1: w 1=100; t1: r 1=100; r 1=0; t1: commit; r 1=100").await;
}

#[tokio::test]
async fn read_only_transaction() {
    run("w 1=0; t1: r 1=0; w 2=11; t1: r 2=11; w 2=22; t1: commit").await;
}

#[tokio::test]
async fn read_only_transaction_reading_transaction() {
    run("w 1=0; t1: r 1=0; t2: w 2=11; t2: commit; t1: r 2=11; w 2=22; t1: commit").await;
}

#[tokio::test]
async fn successful_transfer_from_r1_to_r2() {
    run("w 1=0; w 2=0; t1: r 1=0; t1: r 2=0; t1: w 1=-100; t1: w 2=100; t1: commit; r 1=-100; r 2=100").await;
}

#[tokio::test]
async fn successful_transfer_from_r1_to_r2_with_read_in_the_middle() {
    run("w 1=0; w 2=0; t1: r 1=0; t1: r 2=0; t1: w 1=-100; t1: w 2=100; r 1=0; r 2=0; t1: commit; r 1=-100; r 2=100")
        .await;
}

#[tokio::test]
async fn write_only_transaction() {
    run("t1: w 1=11; t1: w 2=22; w 1=33; t1: commit; r 1=11; r 2=22").await;
}

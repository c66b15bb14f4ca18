//! The bounds of transactions and lists.

use naxos_engines::objects::{Decision, LIST_LEN_MAX, LimitError, OPERATIONS_MAX, TransactionError, VALUE_BYTES_MAX};

use crate::replica::World;
use crate::types::refused;

#[tokio::test]
async fn an_operation_beyond_a_bound_of_its_transaction_is_refused_and_the_transaction_can_still_commit() {
    let replica = World::alone(1).await;
    let map = replica.objects.map("map").await.unwrap();
    let mut transaction = replica.objects.begin().await.unwrap();
    for n in 0..OPERATIONS_MAX {
        transaction.write(map.put(n.to_string(), "")).unwrap();
    }
    let told = transaction.write(map.put("more", "")).unwrap_err();
    assert_eq!(told.to_string(), "the transaction has 1024 reads and writes already, and may not have more");
    assert_eq!(transaction.read(map.get("more")), Err(TransactionError::Limit(LimitError::Operations)));
    assert!(matches!(transaction.commit().await, Ok(Decision::Committed(_))));
    assert_eq!(map.len().local(), Ok(OPERATIONS_MAX as u64));

    let mut transaction = replica.objects.begin().await.unwrap();
    transaction.write(map.put("a", vec![1; VALUE_BYTES_MAX])).unwrap();
    let told = transaction.write(map.put("b", vec![1; VALUE_BYTES_MAX])).unwrap_err();
    assert_eq!(told.to_string(), "the transaction would have 1048630 bytes, expected at most 1048576");
    transaction.write(map.put("b", "small")).unwrap();
    assert!(matches!(transaction.commit().await, Ok(Decision::Committed(_))));
    assert_eq!(map.get("b").local().unwrap().unwrap().value, "small");
}

#[tokio::test]
async fn a_handle_of_another_stack_is_refused() {
    let (one, two) = (World::alone(2).await, World::alone(3).await);
    let there = two.objects.counter("counter").await.unwrap();
    let mut transaction = one.objects.begin().await.unwrap();
    let told = transaction.write(there.add(1)).unwrap_err();
    assert_eq!(
        told.to_string(),
        "the counter \"counter\" was opened on another stack than the transaction: open it on the same stack"
    );
}

#[tokio::test]
async fn the_bytes_that_an_entry_replaces_are_bounded() {
    let replica = World::alone(5).await;
    let map = replica.objects.map("map").await.unwrap();
    let large = vec![1; VALUE_BYTES_MAX];
    for n in 0..40 {
        map.put(n.to_string(), large.clone()).commit().await.unwrap();
    }
    let told = "aborted because of \"map\": commands that were sent together would replace more than 16777216 bytes of \
                earlier values: send this one again, or in parts";
    let mut transaction = replica.objects.begin().await.unwrap();
    for n in 0..40 {
        transaction.write(map.remove(n.to_string())).unwrap();
    }
    let Decision::Aborted(aborted) = transaction.commit().await.unwrap() else { panic!("it is 20 MiB") };
    assert_eq!(aborted.to_string(), told);
    assert_eq!(map.len().local(), Ok(40));
    // Each update is a command of its own. If all are in one entry, the first 32 are done, and the others are refused.
    let removed = futures::future::join_all((0..40).map(|n| map.remove(n.to_string()).commit())).await;
    let (done, refused): (Vec<_>, Vec<_>) = removed.into_iter().partition(Result::is_ok);
    assert!(done.len() >= 32, "{}", done.len());
    assert!(refused.into_iter().all(|error| error.unwrap_err().to_string() == told));
    assert_eq!(map.len().local(), Ok(40 - done.len() as u64));
}

#[tokio::test]
async fn a_full_list_refuses_more() {
    let replica = World::alone(4).await;
    let list = replica.objects.list("list").await.unwrap();
    let pushed = (0..LIST_LEN_MAX).map(|n| list.push(n.to_string()).commit());
    assert!(futures::future::join_all(pushed).await.into_iter().all(|done| done.is_ok()));
    let told = refused(list.push("more").commit().await);
    assert!(told.ends_with("the list has 10000 elements already, and may not have more"), "{told}");
    assert_eq!(list.get(LIST_LEN_MAX - 1).local().unwrap().unwrap(), (LIST_LEN_MAX - 1).to_string());
    assert_eq!(list.take(5_000).commit().await.unwrap().output, "5000");
    list.insert(0, "first").commit().await.unwrap();
    assert_eq!(list.len().local(), Ok(LIST_LEN_MAX));
}

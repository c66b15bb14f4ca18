//! Subscriptions.

use bytes::Bytes;
use futures::FutureExt;
use naxos_engines::objects::{Change, Decision, History, SubscriptionError, Version, Write};
use naxos_proto::seams::sim::Drive;

use crate::replica::World;

fn add(change: Result<Change, SubscriptionError>) -> (Version, i64) {
    match change.unwrap() {
        Change { version, write: Write::Add(by) } => (version, by),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn all_changes_come_once_and_in_order_from_any_version() {
    let world = World::new();
    let one = world.start(1, 1, &Drive::new(1)).await;
    let two = world.start(2, 1, &Drive::new(2)).await;
    let counter = one.objects.counter("counter").await.unwrap();
    let there = two.objects.counter("counter").await.unwrap();
    let mut from_start = there.object().changes_after(Version::ZERO);
    let writes = async {
        let mut versions = Vec::new();
        for by in 0..300 {
            versions.push(counter.add(by).commit().await.unwrap().version);
        }
        versions
    };
    let reads = async {
        let mut found = Vec::new();
        while found.len() < 300 {
            found.push(add(from_start.next().await));
        }
        found
    };
    let (versions, found) = futures::join!(writes, reads);
    let expected: Vec<_> = versions.iter().copied().zip(0..300).collect();
    assert_eq!(found, expected);
    assert!(from_start.next().now_or_never().is_none(), "nothing else was changed");

    let mut from_middle = there.object().changes_after(versions[199]);
    assert_eq!(add(from_middle.next().await), (versions[200], 200));
    let mut from_now = there.object().changes();
    assert!(from_now.next().now_or_never().is_none());
    let last = there.add(7).commit().await.unwrap().version;
    assert_eq!(add(from_now.next().await), (last, 7));
}

#[tokio::test]
async fn writes_of_a_transaction_come_together_and_what_changed_nothing_does_not_come() {
    let replica = World::alone(2).await;
    let (set, other) = (replica.objects.set("set").await.unwrap(), replica.objects.register("other").await.unwrap());
    let mut changes = set.object().changes();
    set.remove("nobody").commit().await.unwrap();
    other.set("x").commit().await.unwrap();
    let mut transaction = replica.objects.begin_local();
    transaction.write(set.add("a")).unwrap();
    transaction.write(set.remove("nobody")).unwrap();
    transaction.write(set.add("b")).unwrap();
    assert!(matches!(transaction.commit().await.unwrap(), Decision::Committed(_)));
    let (first, second) = (changes.next().await.unwrap(), changes.next().await.unwrap());
    assert_eq!(first.version, second.version);
    assert_eq!(first.write, Write::Put(Bytes::from_static(b"a"), Bytes::new()));
    assert_eq!(second.write, Write::Put(Bytes::from_static(b"b"), Bytes::new()));
    assert!(changes.next().now_or_never().is_none());
}

#[tokio::test]
async fn a_subscription_that_is_too_slow_is_told_and_one_that_missed_nothing_is_not() {
    let replica = World::alone(3).await;
    replica.objects.keep_history(History { changes_max: 20, bytes_max: 1 << 20 }).await.unwrap();
    let busy = replica.objects.counter("busy").await.unwrap();
    let idle = replica.objects.counter("idle").await.unwrap();
    idle.add(1).commit().await.unwrap();
    let (mut of_busy, mut of_idle) = (busy.object().changes(), idle.object().changes());
    let after = replica.objects.version();
    for _ in 0..100 {
        busy.add(1).commit().await.unwrap();
    }
    let oldest = replica.objects.oldest().unwrap();
    assert_eq!(of_busy.next().await, Err(SubscriptionError::FellBehind { after, oldest }));
    assert_eq!(of_busy.next().await, Err(SubscriptionError::FellBehind { after, oldest }));
    assert!(of_idle.next().now_or_never().is_none(), "its object did not change");
    idle.add(5).commit().await.unwrap();
    assert_eq!(add(of_idle.next().await).1, 5);
    // The whole history of an object may be forgotten.
    for _ in 0..100 {
        busy.add(1).commit().await.unwrap();
    }
    let mut from_start = idle.object().changes_after(Version::ZERO);
    assert!(matches!(from_start.next().await, Err(SubscriptionError::FellBehind { .. })));
    assert!(of_idle.next().now_or_never().is_none());
}

#[tokio::test]
async fn a_waiting_subscriber_is_woken_by_another_replica() {
    let world = World::new();
    let one = world.start(1, 1, &Drive::new(4)).await;
    let two = world.start(2, 1, &Drive::new(5)).await;
    let counter = one.objects.counter("counter").await.unwrap();
    counter.add(1).commit().await.unwrap();
    let there = two.objects.counter("counter").await.unwrap();
    there.get().linearizable().await.unwrap();
    let mut changes = there.object().changes();
    let wait = tokio::spawn(async move { add(changes.next().await).1 });
    tokio::task::yield_now().await;
    counter.add(2).commit().await.unwrap();
    let woken = tokio::time::timeout(std::time::Duration::from_secs(10), wait).await;
    assert_eq!(woken.expect("it is woken").unwrap(), 2);
}

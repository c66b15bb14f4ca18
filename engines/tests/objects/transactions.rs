//! What a transaction depends on, and what it sees.

use bytes::Bytes;
use naxos_engines::objects::{AbortReason, Decision, History, Refused, Transaction, TransactionError};

use crate::replica::{Replica, World};

/// Commits, and returns whether it happened.
async fn happened(transaction: Transaction) -> bool {
    matches!(transaction.commit().await.unwrap(), Decision::Committed(_))
}

async fn tail(replica: &Replica) -> u64 {
    replica.objects.register("tail").await.unwrap().get().linearizable().await.unwrap();
    replica.stack.reader().applied().0
}

#[tokio::test]
async fn a_read_of_a_key_depends_on_that_key_only() {
    let replica = World::alone(1).await;
    let (map, sum) = (replica.objects.map("map").await.unwrap(), replica.objects.register("sum").await.unwrap());
    map.put("a", "1").commit().await.unwrap();
    let mut reads_a = replica.objects.begin().await.unwrap();
    let mut reads_all = replica.objects.begin().await.unwrap();
    let mut counts = replica.objects.begin().await.unwrap();
    reads_a.read(map.get("a")).unwrap();
    reads_all.read(map.entries("", 10)).unwrap();
    counts.read(map.len()).unwrap();
    let found = map.put("b", "2").commit().await.unwrap().version;
    for transaction in [&mut reads_a, &mut reads_all, &mut counts] {
        transaction.write(sum.set("x")).unwrap();
    }
    assert!(happened(reads_a).await);
    for transaction in [reads_all, counts] {
        let Decision::Aborted(aborted) = transaction.commit().await.unwrap() else { panic!("a key came") };
        assert_eq!((aborted.object.as_str(), &aborted.key), ("map", &None));
        assert!(matches!(aborted.why, AbortReason::Changed { found: version, .. } if version == found), "{aborted}");
    }

    let mut transaction = replica.objects.begin().await.unwrap();
    let seen = transaction.read(map.get("c")).unwrap();
    assert_eq!(seen, None);
    let found = map.put("c", "3").commit().await.unwrap().version;
    transaction.write(sum.set("y")).unwrap();
    let Decision::Aborted(aborted) = transaction.commit().await.unwrap() else { panic!("it saw no such key") };
    assert_eq!(
        aborted.to_string(),
        format!("aborted because of \"map\", key b\"c\": read at version 0.0, found version {found}")
    );
    assert_eq!(sum.get().local(), Ok(Some(Bytes::from_static(b"x"))), "an aborted transaction leaves nothing");
}

#[tokio::test]
async fn additions_and_pushes_are_no_reads_until_their_object_is_read() {
    let replica = World::alone(2).await;
    let (counter, queue) =
        (replica.objects.counter("counter").await.unwrap(), replica.objects.queue("queue").await.unwrap());
    let mut blind = replica.objects.begin().await.unwrap();
    blind.write(counter.add(10)).unwrap();
    blind.write(queue.push("mine")).unwrap();
    let mut seeing = replica.objects.begin().await.unwrap();
    seeing.write(counter.add(100)).unwrap();
    assert_eq!(seeing.read(counter.get()), Ok(100));
    let mut running = replica.objects.begin().await.unwrap();
    assert_eq!(running.run(counter.add(1_000)), Ok(1_000));
    counter.add(1).commit().await.unwrap();
    queue.push("other").commit().await.unwrap();
    assert!(happened(blind).await);
    assert!(!happened(seeing).await);
    assert!(!happened(running).await);
    assert_eq!(counter.get().local(), Ok(11));
    assert_eq!(queue.pop().commit().await.unwrap().output.unwrap(), "other");
    assert_eq!(queue.pop().commit().await.unwrap().output.unwrap(), "mine");
}

#[tokio::test]
async fn a_pop_depends_on_other_pops_and_not_on_pushes_behind_it() {
    let replica = World::alone(3).await;
    let queue = replica.objects.queue("queue").await.unwrap();
    queue.push("a").commit().await.unwrap();
    queue.push("b").commit().await.unwrap();
    let mut one = replica.objects.begin().await.unwrap();
    let mut two = replica.objects.begin().await.unwrap();
    assert_eq!(one.run(queue.pop()).unwrap().unwrap(), "a");
    assert_eq!(one.run(queue.pop()).unwrap().unwrap(), "b");
    assert_eq!(one.run(queue.pop()), Ok(None));
    assert_eq!(two.run(queue.pop()).unwrap().unwrap(), "a");
    queue.push("c").commit().await.unwrap();
    assert!(!happened(one).await, "it saw an empty queue");
    assert!(happened(two).await);
    let mut late = replica.objects.begin().await.unwrap();
    assert_eq!(late.run(queue.pop()).unwrap().unwrap(), "b");
    queue.pop().commit().await.unwrap();
    assert!(!happened(late).await);
    assert_eq!(queue.len().local(), Ok(1));
}

#[tokio::test]
async fn a_transaction_sees_its_own_writes_in_all_reads() {
    let replica = World::alone(4).await;
    let objects = &replica.objects;
    let (index, tree, list) = (
        objects.index("index").await.unwrap(),
        objects.tree("tree").await.unwrap(),
        objects.list("list").await.unwrap(),
    );
    for key in ["a", "c", "e"] {
        index.put(key, "old").commit().await.unwrap();
        list.push(key).commit().await.unwrap();
    }
    let mut transaction = objects.begin().await.unwrap();
    transaction.write(index.put("b", "new")).unwrap();
    transaction.write(index.put("c", "new")).unwrap();
    transaction.write(index.remove("e")).unwrap();
    transaction.write(index.remove("x")).unwrap();
    let keys = |found: Vec<(Bytes, Bytes)>| found.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    let expected = [Bytes::from_static(b"a"), Bytes::from_static(b"b"), Bytes::from_static(b"c")];
    assert_eq!(keys(transaction.read(index.range("", None, 10)).unwrap()), expected);
    assert_eq!(keys(transaction.read(index.range("", None, 2)).unwrap()), expected[..2]);
    assert_eq!(transaction.read(index.len()), Ok(3));
    assert_eq!(transaction.read(index.get("e")), Ok(None));
    transaction.write(tree.create("/a", "1")).unwrap();
    transaction.write(tree.create("/a/b", "2")).unwrap();
    assert_eq!(transaction.read(tree.children("/a")).unwrap(), ["b"]);
    transaction.write(list.insert(1, "b")).unwrap();
    assert_eq!(transaction.run(list.take(0)).unwrap(), "a");
    assert_eq!(transaction.read(list.items(0, 10)).unwrap(), ["b", "c", "e"]);
    assert_eq!(index.len().local(), Ok(3), "nobody else sees them");
    assert!(tree.children("/").local().unwrap().is_empty());
    let Decision::Committed(version) = transaction.commit().await.unwrap() else { panic!("nobody else wrote") };
    assert_eq!(keys(index.range("", None, 10).at(version).unwrap()), expected);
    assert_eq!(list.items(0, 10).local().unwrap(), ["b", "c", "e"]);
    assert_eq!(index.len().local(), Ok(3));
}

/// A remove that finds nothing at first must hide what others put there before the transaction is decided.
#[tokio::test]
async fn a_buffered_remove_hides_what_others_put_there_later() {
    let replica = World::alone(5).await;
    let map = replica.objects.map("map").await.unwrap();
    let mut transaction = replica.objects.begin().await.unwrap();
    transaction.write(map.remove("a")).unwrap();
    map.put("a", "1").commit().await.unwrap();
    assert_eq!(transaction.read(map.get("a")), Ok(None));
    assert!(happened(transaction).await, "it read only what it wrote itself");
    assert_eq!(map.get("a").local(), Ok(None));
}

#[tokio::test]
async fn an_impossible_write_is_refused_early_and_one_that_becomes_impossible_aborts_at_commit() {
    let replica = World::alone(6).await;
    let (tree, hits) = (replica.objects.tree("tree").await.unwrap(), replica.objects.counter("hits").await.unwrap());
    let mut transaction = replica.objects.begin().await.unwrap();
    let refused = Refused::NoParent("/a/b".to_owned(), "/a".to_owned());
    assert_eq!(transaction.write(tree.create("/a/b", "")), Err(TransactionError::Refused(refused)));
    transaction.write(hits.add(1)).unwrap();
    tree.create("/a", "").commit().await.unwrap();
    assert!(!happened(transaction).await, "it saw that there was no parent");

    let mut transaction = replica.objects.begin().await.unwrap();
    transaction.write(tree.create("/a/b", "")).unwrap();
    transaction.write(hits.add(1)).unwrap();
    tree.delete("/a").commit().await.unwrap();
    let Decision::Aborted(aborted) = transaction.commit().await.unwrap() else { panic!("the parent is gone") };
    let told = "aborted because of \"tree\": the path \"/a/b\" has no parent, expected that \"/a\" was created before";
    assert_eq!(aborted.to_string(), told);
    assert_eq!(hits.get().local(), Ok(0), "an aborted transaction leaves nothing");
}

#[tokio::test]
async fn a_transaction_that_only_reads_appends_nothing_and_all_its_reads_must_hold_at_one_version() {
    let replica = World::alone(7).await;
    let (a, b) = (replica.objects.register("a").await.unwrap(), replica.objects.register("b").await.unwrap());
    replica.objects.register("tail").await.unwrap();
    a.set("1").commit().await.unwrap();
    b.set("1").commit().await.unwrap();
    let mut good = replica.objects.begin().await.unwrap();
    let mut bad = replica.objects.begin().await.unwrap();
    let mut stale = replica.objects.begin().await.unwrap();
    for transaction in [&mut good, &mut bad, &mut stale] {
        transaction.read(a.get()).unwrap();
    }
    // The reads of `good` were true together before this write, because `b` does not change before `good` reads it.
    let changed = a.set("2").commit().await.unwrap().version;
    good.read(b.get()).unwrap();
    b.set("2").commit().await.unwrap();
    bad.read(b.get()).unwrap();
    stale.read(b.get()).unwrap();
    let before = tail(&replica).await;
    assert!(happened(good).await);
    let Decision::Aborted(aborted) = bad.commit().await.unwrap() else { panic!("it saw a = 1 and b = 2") };
    assert_eq!(aborted.object, "a");
    assert!(matches!(aborted.why, AbortReason::Changed { found, .. } if found == changed), "{aborted}");
    assert_eq!(tail(&replica).await, before, "nothing was appended");
    replica.objects.keep_history(History { changes_max: 1, bytes_max: 1 << 20 }).await.unwrap();
    for _ in 0..5 {
        b.set("3").commit().await.unwrap();
    }
    let Decision::Aborted(aborted) = stale.commit().await.unwrap() else { panic!("the history is forgotten") };
    assert!(matches!(aborted.why, AbortReason::Forgotten { .. }), "{aborted}");
}

/// A key that came between two reads, and went after the second one, was seen once as absent and once as present. The
/// second read must not hide the first one.
#[tokio::test]
async fn two_reads_of_a_key_that_differ_abort_even_if_the_key_is_as_at_first() {
    let replica = World::alone(8).await;
    let (map, other) = (replica.objects.map("map").await.unwrap(), replica.objects.register("other").await.unwrap());
    let mut transaction = replica.objects.begin().await.unwrap();
    assert_eq!(transaction.read(map.get("a")), Ok(None));
    map.put("a", "1").commit().await.unwrap();
    assert!(transaction.read(map.get("a")).unwrap().is_some());
    map.remove("a").commit().await.unwrap();
    transaction.write(other.set("x")).unwrap();
    assert!(!happened(transaction).await);
}

//! Naxos inside a program: one node, three nodes, a restart, watches, transactions, and what is refused.

#[path = "../../examples/store.rs"]
#[expect(dead_code, reason = "this test calls `run`, not `main`")]
mod store_example;
mod support;

use std::time::Duration;

use futures::future::join_all;
use naxos::{Answer, Change, Condition, Error, Keys, Naxos, Read};

use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::seams::{BootClock, Clock};
use support::{block_on, free_ports, free_urls, kv};

#[test]
fn what_was_written_is_there_after_a_restart_with_its_history() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    block_on(async {
        let store = Naxos::open(&folder).await.unwrap();
        assert_eq!(store.put("a/1", "x").await, Ok(2));
        assert_eq!(store.put("a/1", "y").await, Ok(3));
        assert_eq!(store.put("b", "z").await, Ok(4));
        assert_eq!(store.delete("b").await, Ok(1));
        store.stop().await;

        let store = Naxos::open(&folder).await.unwrap();
        let pairs = store.list(Keys::all()).await.unwrap();
        assert_eq!(
            pairs.iter().map(|pair| (&pair.key[..], &pair.value[..])).collect::<Vec<_>>(),
            [(&b"a/1"[..], &b"y"[..])]
        );
        assert_eq!((pairs[0].created_at, pairs[0].changed_at, pairs[0].version), (2, 3, 2));
        let past = store.list_as(Keys::prefix("a/"), Read::At(2)).await.unwrap();
        assert_eq!(past[0].value, "x");
        let mut changes = store.watch_from(Keys::all(), 2).await.unwrap();
        for revision in 2..=5 {
            assert_eq!(changes.next().await.unwrap().revision(), revision);
        }
        assert_eq!(store.put("c", "new").await, Ok(6));
        let change = changes.next().await.unwrap();
        assert!(matches!(&change, Change::Put(pair) if pair.key == "c" && pair.value == "new"), "{change:?}");
        store.compact(5).await.unwrap();
        let compacted = store.watch_from(Keys::all(), 2).await.unwrap().next().await;
        assert_eq!(compacted, Err(Error::Compacted(5)));
        let future = store.list_as("c", Read::At(100)).await;
        assert!(matches!(future, Err(Error::NotDone(_))), "{future:?}");
        let too_old = store.list_as("c", Read::At(2)).await;
        assert!(matches!(too_old, Err(Error::Invalid(_))), "{too_old:?}");
        store.stop().await;
    });
}

#[test]
fn a_transaction_is_done_as_a_whole_or_not_at_all() {
    block_on(async {
        let store = Naxos::memory().await.unwrap();
        store.put("from", "10").await.unwrap();
        let at = store.get("from").await.unwrap().unwrap().changed_at;
        let transfer = || {
            let begun = store.txn().when(Condition::changed_at("from", at)).put("from", "4").put("to", "6");
            begun.get("to").otherwise().get("from").commit()
        };
        let done = transfer().await.unwrap();
        assert!(done.succeeded && done.revision == 3, "{done:?}");
        assert!(matches!(&done.answers[..], [Answer::Put, Answer::Put, Answer::Found(found)] if found[0].value == "6"));
        let late = transfer().await.unwrap();
        assert!(!late.succeeded, "{late:?}");
        assert!(matches!(&late.answers[..], [Answer::Found(found)] if found[0].value == "4"));
        let twice = store.txn().put("k", "1").put("k", "2").commit().await;
        assert!(matches!(twice, Err(Error::Invalid(_))), "{twice:?}");
        store.stop().await;
    });
}

#[test]
fn three_nodes_keep_one_store_and_one_node_may_be_lost() {
    let dir = tempfile::tempdir().unwrap();
    let urls = free_urls::<3>();
    let open = |own: usize| Naxos::open(dir.path().join(own.to_string())).peers(own, urls.clone()).into_future();
    block_on(async {
        let opened = join_all((0..3).map(open)).await;
        let mut stores: Vec<Naxos> = opened.into_iter().map(Result::unwrap).collect();
        for (own, store) in stores.iter().enumerate() {
            store.put(format!("by/{own}"), own.to_string()).await.unwrap();
        }
        let mut changes = stores[2].watch(Keys::all()).await.unwrap();
        for store in &stores {
            assert_eq!(store.list(Keys::prefix("by/")).await.unwrap().len(), 3);
        }
        stores.remove(0).stop().await;
        let mut written = Err(Error::NotDone("not tried yet".to_owned()));
        for _ in 0..20 {
            written = stores[0].put("after", "1").await;
            if written.is_ok() {
                break;
            }
            BootClock.sleep(Duration::from_millis(100)).await;
        }
        written.unwrap();
        assert_eq!(changes.next().await.unwrap().key(), "after");
        let again = open(0).await.unwrap();
        assert_eq!(again.get("after").await.unwrap().unwrap().value, "1");
        for store in stores.into_iter().chain([again]) {
            store.stop().await;
        }
    });
}

#[test]
fn clients_of_etcd_see_the_same_store() {
    let [port] = free_ports();
    block_on(async {
        let address = format!("127.0.0.1:{port}");
        let store = Naxos::memory().serve_etcd(&address).await.unwrap();
        store.put("k", "v").await.unwrap();
        let range = pb::RangeRequest { key: "k".into(), ..Default::default() };
        let found = kv(&address).range(range).await.unwrap().into_inner();
        assert_eq!(found.kvs[0].value, "v");
        store.stop().await;
    });
}

#[test]
fn the_error_of_a_store_that_cannot_be_opened_says_why() {
    let dir = tempfile::tempdir().unwrap();
    block_on(async {
        let store = Naxos::open(dir.path()).await.unwrap();
        let second = Naxos::open(dir.path()).await.err();
        assert!(matches!(&second, Some(Error::Start(why)) if why.contains("another process")), "{second:?}");
        store.stop().await;
        let none = Naxos::memory().peers(3, ["http://127.0.0.1:1"]).await.err();
        assert!(matches!(&none, Some(Error::Start(why)) if why.contains("below 1, found 3")), "{none:?}");
        let flag = Naxos::memory().flag("no-such-flag", "1").await.err();
        assert!(matches!(&flag, Some(Error::Start(why)) if why.contains("no-such-flag")), "{flag:?}");
    });
}

#[test]
fn calls_fail_after_the_store_was_stopped() {
    block_on(async {
        let store = Naxos::memory().await.unwrap();
        let clone = store.clone();
        let mut changes = clone.watch("k").await.unwrap();
        store.stop().await;
        assert!(matches!(clone.put("k", "v").await, Err(Error::Ended(_))));
        assert!(changes.next().await.is_err());
    });
}

#[test]
fn the_example_runs_twice_in_one_directory() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    for _ in 0..2 {
        block_on(store_example::run(folder.to_owned())).unwrap();
    }
}

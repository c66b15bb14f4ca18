//! Naxos inside a program: one node, three nodes, a restart, watches, transactions, and what is refused.

#[path = "../examples/store.rs"]
#[expect(dead_code, reason = "this test calls `run`, not `main`")]
mod store_example;
mod support;

use std::time::Duration;

use futures::future::join_all;
use naxos::objects::{Decision, OpenError, UpdateError};
use naxos::{Answer, Change, Condition, Error, Keys, Naxos, Read};
use naxos_engines::ProposeError;
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::client::etcdserverpb::cluster_client::ClusterClient;
use naxos_proto::seams::{BootClock, Clock};
use support::{block_on, free_ports, free_urls, kv};
use tonic::Code;
use tonic::transport::Endpoint;

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
fn a_store_of_one_node_does_not_pass_for_one_of_three() {
    let dir = tempfile::tempdir().unwrap();
    let urls: [String; 3] = free_urls();
    block_on(async {
        let alone = Naxos::open(dir.path()).await.unwrap();
        alone.put("k", "v").await.unwrap();
        alone.stop().await;
        let refused = Naxos::open(dir.path()).peers(0, urls).await.err().expect("it is refused");
        assert!(
            matches!(&refused, Error::Start(why) if why.contains("of one node, and the list names 3")),
            "{refused}"
        );
        let alone = Naxos::open(dir.path()).await.unwrap();
        assert_eq!(alone.get("k").await.unwrap().unwrap().value, "v");
        alone.stop().await;
    });
}

#[test]
fn a_directory_is_refused_if_the_list_is_not_the_one_of_its_node() {
    let dir = tempfile::tempdir().unwrap();
    let urls = free_urls::<3>();
    let at = |folder: usize| Naxos::open(dir.path().join(folder.to_string()));
    let open = |own: usize| at(own).peers(own, urls.clone()).into_future();
    block_on(async {
        for store in join_all((0..3).map(open)).await {
            store.unwrap().stop().await;
        }
        let exchanged = at(0).peers(1, urls.clone()).await.err().expect("it is refused");
        let says = [format!("belongs to the node at {}", urls[0]), format!("it is the node at {}", urls[1])];
        assert!(matches!(&exchanged, Error::Start(why) if says.iter().all(|text| why.contains(text))), "{exchanged}");
        let others = free_urls::<3>();
        let other = at(0).peers(0, others.clone()).await.err().expect("it is refused");
        assert!(matches!(&other, Error::Start(why) if why.contains(&urls[2]) && why.contains(&others[2])), "{other}");
        let none = at(0).await.err().expect("it is refused");
        assert!(matches!(&none, Error::Start(why) if why.contains("expected `.peers(own, urls)`")), "{none}");
        // A node whose list is shorter, because a member was to be removed, starts. So do the others.
        let shorter = at(0).peers(0, urls[..2].to_vec()).into_future();
        let opened = join_all([shorter, open(1), open(2)]).await;
        for store in opened {
            store.unwrap().stop().await;
        }
    });
}

#[test]
fn a_store_that_was_recovered_on_one_node_is_no_store_of_three() {
    let dir = tempfile::tempdir().unwrap();
    let urls = free_urls::<3>();
    let at = |folder: usize| Naxos::open(dir.path().join(folder.to_string()));
    block_on(async {
        let opened = join_all((0..3).map(|own| at(own).peers(own, urls.clone()).into_future())).await;
        let stores: Vec<Naxos> = opened.into_iter().map(Result::unwrap).collect();
        stores[0].put("k", "v").await.unwrap();
        for store in stores {
            store.stop().await;
        }
        // A list of several with that flag is refused before anything is changed.
        let refused = at(0).peers(0, urls.clone()).flag("force-new-cluster", "true").await.err();
        let is_refused = |why: &String| why.contains("and the list names 3") && why.contains("Nothing was changed");
        assert!(matches!(&refused, Some(Error::Start(why)) if is_refused(why)), "{refused:?}");
        assert!(!dir.path().join("0").join("recovered").exists());
        let alone = at(0).peers(0, [urls[0].clone()]).flag("force-new-cluster", "true").await.unwrap();
        alone.stop().await;
        let refused = at(0).peers(0, urls.clone()).await.err();
        assert!(
            matches!(&refused, Some(Error::Start(why)) if why.contains("holds a store of one node")),
            "{refused:?}"
        );
        let alone = at(0).peers(0, [urls[0].clone()]).await.unwrap();
        assert_eq!(alone.get("k").await.unwrap().unwrap().value, "v");
        alone.stop().await;
    });
}

#[test]
fn after_the_loss_of_two_directories_the_third_one_serves_alone_with_all_keys() {
    let dir = tempfile::tempdir().unwrap();
    let urls = free_urls::<3>();
    let at = |folder: usize| Naxos::open(dir.path().join(folder.to_string()));
    block_on(async {
        let opened = join_all((0..3).map(|own| at(own).peers(own, urls.clone()).into_future())).await;
        let stores: Vec<Naxos> = opened.into_iter().map(Result::unwrap).collect();
        for number in 0..50 {
            stores[1].put(format!("k/{number:02}"), number.to_string()).await.unwrap();
        }
        for store in stores {
            store.stop().await;
        }
        for lost in ["0", "2"] {
            std::fs::remove_dir_all(dir.path().join(lost)).unwrap();
        }
        for flagged in [true, false] {
            let opening = if flagged { at(1).flag("force-new-cluster", "true") } else { at(1) };
            let alone = opening.await.unwrap();
            let pairs = alone.list(Keys::prefix("k/")).await.unwrap();
            let values: Vec<String> =
                pairs.iter().map(|pair| String::from_utf8_lossy(&pair.value).into_owned()).collect();
            assert_eq!(values, (0..50).map(|number| number.to_string()).collect::<Vec<_>>());
            alone.put("more", "x").await.unwrap();
            alone.stop().await;
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
fn a_member_is_added_only_if_it_can_reach_this_one() {
    let urls = free_urls::<2>();
    let add = async |store: &Naxos| {
        let address = store.etcd_addresses().await.unwrap().remove(0);
        let channel = Endpoint::new(format!("http://{address}")).unwrap().connect_lazy();
        let request = pb::MemberAddRequest { peer_ur_ls: vec![urls[1].clone()], is_learner: true };
        ClusterClient::new(channel).member_add(request).await
    };
    block_on(async {
        let alone = Naxos::memory().serve_etcd("127.0.0.1:0").await.unwrap();
        let refused = add(&alone).await.unwrap_err();
        assert!(refused.code() == Code::FailedPrecondition && refused.message().contains(".peers(own, urls)"));
        alone.stop().await;
        let reached = Naxos::memory().peers(0, [urls[0].clone()]).serve_etcd("127.0.0.1:0").await.unwrap();
        assert_eq!(add(&reached).await.unwrap().into_inner().members.len(), 2);
        reached.stop().await;
    });
}

#[test]
fn the_error_of_a_store_that_cannot_be_opened_says_why() {
    let dir = tempfile::tempdir().unwrap();
    block_on(async {
        let store = Naxos::open(dir.path()).await.unwrap();
        let second = Naxos::open(dir.path()).await.err();
        let says = ["another process", "It may also be this program", "`stop().await`"];
        let is_locked = |why: &String| says.iter().all(|text| why.contains(text));
        assert!(matches!(&second, Some(Error::Start(why)) if is_locked(why)), "{second:?}");
        store.stop().await;
        let none = Naxos::memory().peers(3, ["http://127.0.0.1:1"]).await.err();
        assert!(matches!(&none, Some(Error::Start(why)) if why.contains("below 1, found 3")), "{none:?}");
        let flag = Naxos::memory().flag("no-such-flag", "1").await.err();
        assert!(matches!(&flag, Some(Error::Start(why)) if why.contains("no-such-flag")), "{flag:?}");
    });
}

#[test]
fn a_flag_for_which_there_is_another_way_is_refused_with_that_way() {
    block_on(async {
        for (name, way) in [
            ("data-dir", "Naxos::open(directory)"),
            ("--data-dir", "Naxos::open(directory)"),
            ("name", ".peers(own, urls)"),
            ("initial-cluster", ".peers(own, urls)"),
            ("initial-advertise-peer-urls", ".peers(own, urls)"),
            ("listen-peer-urls", ".peers(own, urls)"),
            ("listen-client-urls", ".serve_etcd(address)"),
            ("advertise-client-urls", ".serve_etcd(address)"),
            ("config-file", ".flag(name, value)"),
            ("log-level", "`tracing` subscriber"),
            ("version", "the program `naxos`"),
            ("data-dir=elsewhere", "without its value"),
        ] {
            let refused = Naxos::memory().flag(name, "http://127.0.0.1:1").await.err();
            assert!(matches!(&refused, Some(Error::Start(why)) if why.contains(way)), "{name}: {refused:?}");
        }
        // With or without dashes, the flag counts.
        for name in ["max-request-bytes", "--max-request-bytes"] {
            let store = Naxos::memory().flag(name, "1000").await.unwrap();
            let large = store.put("k", vec![b'x'; 2_000]).await;
            assert!(matches!(large, Err(Error::Invalid(_))), "{large:?}");
            store.stop().await;
        }
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
fn handles_of_the_objects_belong_together_and_after_a_stop_nothing_is_done() {
    block_on(async {
        let store = Naxos::memory().await.unwrap();
        let (one, two) = (store.objects().await.unwrap(), store.clone().objects().await.unwrap());
        let (hits, last) = (one.counter("hits").await.unwrap(), two.register("last").await.unwrap());
        let mut transaction = one.begin().await.unwrap();
        transaction.write(hits.add(1)).unwrap();
        transaction.write(last.set("sky")).unwrap();
        assert!(matches!(transaction.commit().await, Ok(Decision::Committed(_))));
        store.stop().await;
        let late = hits.add(1).commit().await.err();
        assert_eq!(late, Some(UpdateError::Propose(ProposeError::Stopped)));
        let late = two.map("another").await.err();
        assert_eq!(late, Some(OpenError::Propose(ProposeError::Stopped)));
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

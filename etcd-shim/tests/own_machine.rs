//! A program's own state machine on one node and on three: answers, commands that it refuses, restarts, queries, and
//! calls that the node refuses.

mod support;

use futures::TryStreamExt;
use futures::future::join_all;
use naxos::{Applicator, Error, Freshness, Keys, Naxos, Refused, Rows};
use naxos_proto::etcd::client::etcdserverpb::SnapshotRequest;
use naxos_proto::etcd::client::etcdserverpb::maintenance_client::MaintenanceClient;
use support::{block_on, free_urls};
use tonic::transport::Endpoint;

/// A log book: each command becomes a page, and the answer is how many there are.
struct Book;

impl Applicator for Book {
    fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
        let page = rows.list(Keys::prefix("page/"), usize::MAX).len() + 1;
        rows.put(format!("page/{page:06}"), command);
        rows.put("last", command);
        match str::from_utf8(command)? {
            "tear out" => {
                rows.delete("last");
                Err(Refused::because("pages stay"))
            }
            _ => Ok(page.to_string().into_bytes()),
        }
    }
}

async fn pages(book: &Naxos, freshness: Freshness) -> Vec<String> {
    let pages = book.query(freshness, |rows| rows.list(Keys::prefix("page/"), usize::MAX)).await.unwrap();
    pages.iter().map(|(_, text)| String::from_utf8(text.to_vec()).unwrap()).collect()
}

#[test]
fn commands_are_applied_once_and_refused_ones_leave_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    let open = || Naxos::open(&folder).applicator(Book).into_future();
    block_on(async {
        let book = open().await.unwrap();
        let first = book.propose("one").await.unwrap();
        assert_eq!(first.answer, "1");
        assert_eq!(book.propose("tear out").await, Err(Error::Refused("pages stay".to_owned())));
        assert!(matches!(book.propose(b"\xff").await, Err(Error::Refused(why)) if why.contains("utf-8")));
        assert_eq!(pages(&book, Freshness::Local).await, ["one"]);
        assert_eq!(book.query(Freshness::Local, |rows| rows.get("last")).await.unwrap().unwrap(), "one");
        // etcd's keys and values live beside the rows of the state machine, and neither sees the other.
        assert_eq!(book.put("page/000001", "of etcd").await, Ok(2));
        let second = book.propose("two").await.unwrap();
        assert!(second.answer == "2" && second.position > first.position, "{second:?}");
        assert_eq!(book.list(Keys::all()).await.unwrap().len(), 1);
        book.stop().await;

        let book = open().await.unwrap();
        assert_eq!(pages(&book, Freshness::Linearizable).await, ["one", "two"]);
        let many = join_all((0..500).map(|n| book.propose(format!("page {n}")))).await;
        let mut numbers: Vec<usize> = many
            .into_iter()
            .map(|applied| str::from_utf8(&applied.unwrap().answer).unwrap().parse().unwrap())
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (3..503).collect::<Vec<_>>());
        let some = book.query(Freshness::Local, |rows| rows.list(Keys::range("page/000003".."page/000400"), 300)).await;
        let some = some.unwrap();
        assert_eq!((some.len(), &some[299].0[..]), (300, &b"page/000302"[..]));
        book.stop().await;
    });
}

#[test]
fn three_nodes_apply_the_same_commands() {
    let dir = tempfile::tempdir().unwrap();
    let urls = free_urls::<3>();
    let open = |own: usize| {
        Naxos::open(dir.path().join(own.to_string())).peers(own, urls.clone()).applicator(Book).into_future()
    };
    block_on(async {
        let opened = join_all((0..3).map(open)).await;
        let mut books: Vec<Naxos> = opened.into_iter().map(Result::unwrap).collect();
        for (own, book) in books.iter().enumerate() {
            let applied = book.propose(format!("by {own}")).await.unwrap();
            assert_eq!(applied.answer, (own + 1).to_string());
            let next = &books[(own + 1) % 3];
            assert_eq!(pages(next, Freshness::After(applied.position)).await.len(), own + 1);
        }
        for book in &books {
            assert_eq!(pages(book, Freshness::Linearizable).await, ["by 0", "by 1", "by 2"]);
        }
        // A node that was away gets what it missed.
        books.remove(0).stop().await;
        while books[0].propose("without 0").await.is_err() {}
        let again = open(0).await.unwrap();
        let found = pages(&again, Freshness::Linearizable).await;
        assert!(found.len() >= 4 && found[3] == "without 0", "{found:?}");
        for book in books.into_iter().chain([again]) {
            book.stop().await;
        }
    });
}

#[test]
fn a_store_without_a_state_machine_says_so() {
    let dir = tempfile::tempdir().unwrap();
    block_on(async {
        let plain = Naxos::memory().await.unwrap();
        let proposed = plain.propose("one").await;
        assert!(matches!(&proposed, Err(Error::Invalid(why)) if why.contains("applicator")), "{proposed:?}");
        let looked = plain.query(Freshness::Local, |rows| rows.get("last")).await;
        assert!(matches!(&looked, Err(Error::Invalid(why)) if why.contains("applicator")), "{looked:?}");
        plain.stop().await;

        let book = Naxos::open(dir.path()).applicator(Book).await.unwrap();
        let too_large = book.propose(vec![b'x'; 4 << 20]).await;
        assert!(matches!(too_large, Err(Error::Invalid(_))), "{too_large:?}");
        book.propose("one").await.unwrap();
        book.stop().await;
    });
}

#[test]
fn a_backup_in_the_form_of_etcd_is_refused_because_it_would_lack_rows() {
    block_on(async {
        let book = Naxos::memory().serve_etcd("127.0.0.1:0").applicator(Book).await.unwrap();
        let address = book.etcd_addresses().await.unwrap().remove(0);
        let channel = Endpoint::new(format!("http://{address}")).unwrap().connect_lazy();
        let mut maintenance = MaintenanceClient::new(channel);
        let backup = maintenance.snapshot(SnapshotRequest {}).await.unwrap().into_inner();
        backup.try_collect::<Vec<_>>().await.unwrap();
        book.propose("one").await.unwrap();
        let backup = maintenance.snapshot(SnapshotRequest {}).await.unwrap().into_inner();
        let refused = backup.try_collect::<Vec<_>>().await.unwrap_err();
        assert!(refused.message().contains("own state machine"), "{refused}");
        book.stop().await;
    });
}

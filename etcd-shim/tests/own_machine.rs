//! A program's own state machine on one node and on three: answers, commands that it refuses, restarts, queries, and
//! calls that the node refuses.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use futures::future::join_all;
use naxos::{Applicator, Error, Freshness, Keys, Naxos, Refused, Rows};
use naxos_log_server::LogServerConfig;
use naxos_log_server::disk::RealDisk;
use naxos_proto::etcd::client::etcdserverpb::SnapshotRequest;
use naxos_proto::etcd::client::etcdserverpb::maintenance_client::MaintenanceClient;
use naxos_proto::seams::{Body, BootClock, Clock, OsEntropy, Seams, SocketNet, ThreadWorker, Worker, WorkerHandle};
use parking_lot::Mutex;
use support::{ANYWHERE, block_on, free_urls, run};
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

/// What a node says that has commands or rows of a state machine, and does not run it.
const NEEDS_PROGRAM: &str = "expected that program, opened with `Naxos::open(..).applicator(..)`";

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

        let book = Naxos::open(dir.path().join("data")).applicator(Book).await.unwrap();
        let too_large = book.propose(vec![b'x'; 4 << 20]).await;
        assert!(matches!(too_large, Err(Error::Invalid(_))), "{too_large:?}");
        book.propose("one").await.unwrap();
        book.stop().await;
        let opened = Naxos::open(dir.path().join("data")).await.err();
        assert!(matches!(&opened, Some(Error::Start(why)) if why.contains(NEEDS_PROGRAM)), "{opened:?}");
    });
    let words: Vec<&str> = ANYWHERE.into_iter().chain(["--data-dir=data"]).collect();
    let server = run(dir.path(), &words, &[]);
    assert!(server.code == Some(1) && server.err.contains(NEEDS_PROGRAM), "{server:?}");
}

#[test]
fn a_node_without_the_state_machine_of_the_others_ends_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let urls = free_urls::<3>();
    let open = |own: usize| {
        let opening = Naxos::open(dir.path().join(own.to_string())).peers(own, urls.clone());
        if own == 2 { opening.into_future() } else { opening.applicator(Book).into_future() }
    };
    block_on(async {
        let opened = join_all((0..3).map(open)).await;
        let mut stores: Vec<Naxos> = opened.into_iter().map(Result::unwrap).collect();
        stores[0].propose("one").await.unwrap();
        let without = stores.pop().expect("there are three");
        let mut seen = without.get("k").await;
        for _ in 0..200 {
            if matches!(seen, Err(Error::Ended(_))) {
                break;
            }
            BootClock.sleep(Duration::from_millis(50)).await;
            seen = without.get("k").await;
        }
        assert!(matches!(&seen, Err(Error::Ended(why)) if why.contains(NEEDS_PROGRAM)), "{seen:?}");
        without.stop().await;
        // The command is in the log, so each start comes to it again.
        let again = open(2).await.err();
        assert!(matches!(&again, Some(Error::Start(why)) if why.contains(NEEDS_PROGRAM)), "{again:?}");
        for store in stores {
            store.stop().await;
        }
    });
}

/// Cannot carry out the command "bad".
struct Brittle;

impl Applicator for Brittle {
    fn apply(&self, rows: &mut Rows<'_>, command: &[u8]) -> Result<Vec<u8>, Refused> {
        rows.put("last", command);
        assert!(command != b"bad", "no page for bad news");
        Ok(command.to_vec())
    }
}

#[test]
fn the_text_of_a_panic_in_apply_reaches_the_callers() {
    let dir = tempfile::tempdir().unwrap();
    let says_why = |error: &Error| {
        let text = error.to_string();
        text.contains("panicked in `apply`, at command ") && text.contains("no page for bad news")
    };
    block_on(async {
        let store = Naxos::open(dir.path()).applicator(Brittle).await.unwrap();
        store.propose("good").await.unwrap();
        let lost = store.propose("bad").await.unwrap_err();
        assert!(matches!(&lost, Error::Unknown(_) | Error::Ended(_)) && says_why(&lost), "{lost:?}");
        // The node has not ended yet, perhaps. But no call goes well any more.
        loop {
            let later = store.put("k", "v").await.unwrap_err();
            assert!(says_why(&later), "{later:?}");
            if matches!(later, Error::Ended(_)) {
                break;
            }
        }
        let looked = store.query(Freshness::Local, |rows| rows.get("last")).await;
        assert!(matches!(&looked, Err(error @ Error::Ended(_)) if says_why(error)), "{looked:?}");
        store.stop().await;

        // The command is in the log, so each start comes to it again.
        let watched = Watched::default();
        let seams = seams_with(watched.clone(), dir.path());
        let opening = Naxos::open(dir.path()).applicator(Brittle).on(seams, LogServerConfig::default());
        let again = opening.await.err();
        assert!(matches!(&again, Some(error @ Error::Start(_)) if says_why(error)), "{again:?}");
        assert!(watched.started.lock().contains("checkpoint"), "the store has a Worker of another name");
        assert!(!watched.running.lock().contains("checkpoint"), "it writes to the store that the next start opens");
        // A state machine that can carry it out goes on from there.
        let book = Naxos::open(dir.path()).applicator(Book).await.unwrap();
        assert_eq!(book.query(Freshness::Local, |rows| rows.get("last")).await.unwrap().unwrap(), "bad");
        book.propose("one").await.unwrap();
        book.stop().await;
    });
}

/// Starts real threads, and knows which of them it has started and which of them run.
#[derive(Clone, Default)]
struct Watched {
    started: Arc<Mutex<BTreeSet<String>>>,
    running: Arc<Mutex<BTreeSet<String>>>,
}

/// A thread that runs.
struct Runs(Arc<Mutex<BTreeSet<String>>>, String);

impl Drop for Runs {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

impl Worker for Watched {
    fn start(&self, name: &str, stop: CancellationToken, body: Body) -> WorkerHandle {
        self.started.lock().insert(name.to_owned());
        self.running.lock().insert(name.to_owned());
        let runs = Runs(Arc::clone(&self.running), name.to_owned());
        let watched: Body = Box::new(move |stop| {
            Box::pin(async move {
                let _runs = runs;
                body(stop).await;
            })
        });
        ThreadWorker.start(name, stop, watched)
    }
}

/// Starts real threads, but the one with this name panics when it is told to.
struct Panicking(&'static str, CancellationToken);

impl Worker for Panicking {
    fn start(&self, name: &str, stop: CancellationToken, body: Body) -> WorkerHandle {
        let told = self.1.clone();
        let panics: Body = Box::new(move |_| {
            Box::pin(async move {
                told.cancelled().await;
                assert!(!told.is_cancelled(), "on purpose");
            })
        });
        ThreadWorker.start(name, stop, if name == self.0 { panics } else { body })
    }
}

fn seams_with(worker: impl Worker + 'static, dir: &Path) -> Seams {
    let (disk, worker) = (Arc::new(RealDisk::at(dir)), Arc::new(worker));
    let (clock, entropy, net) = (Arc::new(BootClock), Arc::new(OsEntropy), Arc::new(SocketNet));
    Seams { clock, entropy, net, disk, worker }
}

#[test]
fn the_text_of_a_panic_on_the_thread_of_the_node_reaches_the_caller() {
    let dir = tempfile::tempdir().unwrap();
    let now = CancellationToken::new();
    now.cancel();
    let seams = seams_with(Panicking("naxos", now), dir.path());
    block_on(async {
        let failed = Naxos::open(dir.path()).on(seams, LogServerConfig::default()).await.err();
        assert_eq!(failed, Some(Error::Start("on purpose".to_owned())));
    });
}

#[test]
fn the_text_of_a_panic_on_another_thread_reaches_the_callers_too() {
    let dir = tempfile::tempdir().unwrap();
    let now = CancellationToken::new();
    let seams = seams_with(Panicking("snapshots", now.clone()), dir.path());
    block_on(async {
        let store = Naxos::open(dir.path()).on(seams, LogServerConfig::default()).await.unwrap();
        store.put("k", "v").await.unwrap();
        now.cancel();
        // The text is known when the node has stopped.
        let mut last = None;
        for _ in 0..200 {
            last = store.get("k").await.err();
            if last.as_ref().is_some_and(|error| error.to_string().contains("on purpose")) {
                break;
            }
            BootClock.sleep(Duration::from_millis(50)).await;
        }
        assert!(matches!(&last, Some(Error::Ended(why)) if why.contains("on purpose")), "{last:?}");
        store.stop().await;
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

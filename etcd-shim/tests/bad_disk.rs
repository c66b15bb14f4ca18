//! A whole node on a disk that fails or hangs: what was acknowledged is served, writes get a clear error in time, and
//! the process that starts next has everything that was acknowledged.

mod support;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos::node::Node;
use naxos_log_server::disk::RealDisk;
use naxos_proto::control::SetEngineRequest;
use naxos_proto::etcd::client::etcdserverpb::{PutRequest, RangeRequest};
use naxos_proto::seams::{Address, BlockingFile, BootClock, Clock, Disk, File, OpenMode, ThreadWorker};
use support::{block_on, control, get, kv};
use tokio::sync::watch;
use tonic::{Code, Status};

/// The longest time that a write may take on a failing disk.
const QUICK: Duration = Duration::from_secs(2);

/// How syncs of the journal behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    /// All syncs fail after this many have passed.
    FailAfter(u64),
    Hang,
}

#[derive(Clone, Debug)]
struct Moody {
    mood: watch::Sender<Mood>,
    syncs: Arc<AtomicU64>,
}

impl Moody {
    fn new() -> Self {
        Moody { mood: watch::Sender::new(Mood::Well), syncs: Arc::default() }
    }

    async fn sync(&self) -> io::Result<()> {
        let mut mood = self.mood.subscribe();
        // This cannot fail: `self` owns the sender.
        let mood = *mood.wait_for(|m| *m != Mood::Hang).await.unwrap();
        let passed = self.syncs.fetch_add(1, Ordering::Relaxed);
        match mood {
            Mood::FailAfter(n) if passed >= n => Err(io::Error::from_raw_os_error(5)),
            _ => Ok(()),
        }
    }
}

/// A directory in which the syncs of the journal's files follow a mood.
struct MoodyDisk(RealDisk, Moody);

#[derive(Debug)]
struct MoodyFile(Arc<dyn File>, Moody);

impl Disk for MoodyDisk {
    fn open<'a>(&'a self, path: &'a str, mode: OpenMode) -> BoxFuture<'a, io::Result<Arc<dyn File>>> {
        Box::pin(async move {
            let file = self.0.open(path, mode).await?;
            let moody = path.starts_with("journal/");
            Ok(if moody { Arc::new(MoodyFile(file, self.1.clone())) as Arc<dyn File> } else { file })
        })
    }

    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<Vec<String>>> {
        self.0.list(dir)
    }

    fn create_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<()>> {
        self.0.create_dir(dir)
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, io::Result<()>> {
        self.0.rename(from, to)
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, io::Result<()>> {
        self.0.remove(path)
    }

    fn sync_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<()>> {
        self.0.sync_dir(dir)
    }

    fn lock<'a>(&'a self, path: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Send + Sync>>> {
        self.0.lock(path)
    }

    fn free_bytes(&self) -> BoxFuture<'_, io::Result<u64>> {
        self.0.free_bytes()
    }
}

impl File for MoodyFile {
    fn write_at<'a>(&'a self, at: u64, bufs: &'a [Bytes]) -> BoxFuture<'a, io::Result<()>> {
        self.0.write_at(at, bufs)
    }

    fn read_at(&self, at: u64, len: usize) -> BoxFuture<'_, io::Result<Bytes>> {
        self.0.read_at(at, len)
    }

    fn sync(&self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            self.1.sync().await?;
            self.0.sync().await
        })
    }

    fn set_len(&self, len: u64) -> BoxFuture<'_, io::Result<()>> {
        self.0.set_len(len)
    }

    fn len(&self) -> BoxFuture<'_, io::Result<u64>> {
        self.0.len()
    }

    fn blocking(&self) -> Arc<dyn BlockingFile> {
        self.0.blocking()
    }

    fn settle(&self) -> BoxFuture<'_, ()> {
        self.0.settle()
    }
}

async fn start(dir: &Path, moody: &Moody) -> (Node, String) {
    let disk = MoodyDisk(RealDisk::at(dir), moody.clone());
    let node = support::start_node(Arc::new(disk), Arc::new(ThreadWorker), 1).await.unwrap();
    let Address::Tcp(address) = &node.bound_addresses()[0] else { panic!("not a TCP address") };
    let address = address.clone();
    (node, address)
}

async fn put(address: &str, n: u64) -> Result<(), Status> {
    let key = n.to_be_bytes().to_vec().into();
    kv(address).put(PutRequest { key, value: "v".into(), ..PutRequest::default() }).await.map(drop)
}

async fn keys(address: &str, serializable: bool) -> Vec<u64> {
    let all: Bytes = vec![0].into();
    let request = RangeRequest { key: all.clone(), range_end: all, serializable, ..RangeRequest::default() };
    let found = kv(address).range(request).await.unwrap().into_inner().kvs;
    found.iter().map(|kv| u64::from_be_bytes(kv.key[..].try_into().unwrap())).collect()
}

async fn ask(address: &str, path: &'static str) -> String {
    let address = address.to_owned();
    let (tx, rx) = tokio::sync::oneshot::channel();
    let ask = async move { drop(tx.send(get(&address, path))) };
    drop(naxos_proto::seams::start(&ThreadWorker, "get", tokio_util::sync::CancellationToken::new(), |_| ask));
    rx.await.unwrap()
}

/// After 20 writes, `n` more syncs succeed and all later ones fail. Several values of `n` let the failure come at
/// different moments.
#[test]
fn after_a_failed_sync_reads_are_served_writes_say_why_they_fail_and_a_restart_has_all_that_was_acknowledged() {
    for n in [0, 1, 7] {
        let dir = tempfile::tempdir().unwrap();
        let moody = Moody::new();
        block_on(async {
            let (node, address) = start(dir.path(), &moody).await;
            let mut acknowledged = Vec::new();
            for n in 0..20 {
                put(&address, n).await.unwrap();
                acknowledged.push(n);
            }
            moody.mood.send_replace(Mood::FailAfter(moody.syncs.load(Ordering::Relaxed) + n));
            let mut refusals = 0;
            for n in 20..40 {
                let began = BootClock.now();
                match put(&address, n).await {
                    Ok(()) => {
                        assert_eq!(refusals, 0, "no write is taken after one was refused");
                        acknowledged.push(n);
                    }
                    Err(status) => {
                        refusals += 1;
                        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                        let text = "no write can be done: the storage unit is read-only since a disk error";
                        assert!(status.message().contains(text), "{status:?}");
                        assert!(status.message().contains("syncing the journal: Input/output error"), "{status:?}");
                    }
                }
                let took = BootClock.now().since(began);
                assert!(took < QUICK, "a write took {took:?}");
            }
            assert!(refusals >= 12, "{refusals}");
            // A single node knows the tail of its log from memory, so its reads are still linearizable.
            assert_eq!(keys(&address, false).await, acknowledged);
            assert_eq!(keys(&address, true).await, acknowledged);
            let ready = ask(&address, "/readyz").await;
            assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
            assert!(ready.contains("read-only since a disk error") && ready.contains("Input/output error"), "{ready}");
            let live = ask(&address, "/livez").await;
            assert!(live.starts_with("HTTP/1.1 200"), "a restart is the operator's choice: {live}");
            node.stop().await;

            moody.mood.send_replace(Mood::Well);
            let (node, address) = start(dir.path(), &moody).await;
            let found = keys(&address, false).await;
            assert!(acknowledged.iter().all(|k| found.contains(k)), "{acknowledged:?} {found:?}");
            // The first refused write was on its way when the sync failed, so it may be there; later ones were never
            // sent.
            assert!(found.len() <= acknowledged.len() + 1, "{acknowledged:?} {found:?}");
            put(&address, 99).await.unwrap();
            assert!(ask(&address, "/readyz").await.starts_with("HTTP/1.1 200"));
            node.stop().await;
        });
    }
}

#[test]
fn on_a_disk_that_hangs_writes_time_out_as_in_etcd_and_reads_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let moody = Moody::new();
    block_on(async {
        let (node, address) = start(dir.path(), &moody).await;
        put(&address, 1).await.unwrap();
        moody.mood.send_replace(Mood::Hang);
        let began = BootClock.now();
        let hanging = futures::future::join_all((2..6).map(|n| put(&address, n)));
        let reading = async {
            let mut reads = 0;
            while BootClock.now().since(began) < Duration::from_secs(6) {
                assert_eq!(keys(&address, false).await, [1]);
                reads += 1;
                BootClock.sleep(Duration::from_millis(50)).await;
            }
            reads
        };
        let switching = async {
            control(&address).set_engine(SetEngineRequest { name: "observer".to_owned(), on: true }).await.map(drop)
        };
        let (outcomes, switched, reads) = futures::future::join3(hanging, switching, reading).await;
        let took = BootClock.now().since(began);
        for outcome in outcomes.into_iter().chain([switched]) {
            let status = outcome.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::Unavailable, "etcdserver: request timed out"));
        }
        // The limit is 5 s plus twice the election time-out of 1 s. Waits are ended by ticks, so they may last longer
        // by one interval of the ticks.
        assert!((Duration::from_secs(7)..Duration::from_secs(8)).contains(&took), "{took:?}");
        assert!(reads > 50, "{reads}");
        moody.mood.send_replace(Mood::Well);
        put(&address, 6).await.unwrap();
        let found = keys(&address, false).await;
        assert!(found.starts_with(&[1]) && found.ends_with(&[6]), "what hung may be done now: {found:?}");
        node.stop().await;
    });
}

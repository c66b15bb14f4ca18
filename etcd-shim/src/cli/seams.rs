//! The production seams.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use naxos_proto::seams::{BootClock, Disk, File, OpenMode, OsEntropy, Seams, SocketNet, ThreadWorker};

/// Clock, generator, sockets, threads, and the files below `data_dir`.
pub(super) fn production(data_dir: &Path) -> io::Result<Seams> {
    let _ = data_dir;
    Ok(Seams {
        clock: Arc::new(BootClock),
        entropy: Arc::new(OsEntropy),
        net: Arc::new(SocketNet),
        disk: Arc::new(NoDisk),
        worker: Arc::new(ThreadWorker),
    })
}

/// Stands in until the storage unit's disk is there: this node keeps nothing.
pub(crate) struct NoDisk;

fn none<'a, T: Send + 'a>() -> BoxFuture<'a, io::Result<T>> {
    Box::pin(std::future::ready(Err(io::ErrorKind::Unsupported.into())))
}

impl Disk for NoDisk {
    fn open<'a>(&'a self, _: &'a str, _: OpenMode) -> BoxFuture<'a, io::Result<Arc<dyn File>>> {
        none()
    }
    fn list<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<String>>> {
        none()
    }
    fn create_dir<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<()>> {
        none()
    }
    fn rename<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, io::Result<()>> {
        none()
    }
    fn remove<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<()>> {
        none()
    }
    fn sync_dir<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<()>> {
        none()
    }
    fn lock<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Send + Sync>>> {
        none()
    }
    fn free_bytes(&self) -> BoxFuture<'_, io::Result<u64>> {
        none()
    }
}

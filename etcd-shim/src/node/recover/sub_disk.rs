//! [`SubDisk`]: a folder of a disk, as a disk.

use std::io;
use std::sync::Arc;

use futures::future::BoxFuture;
use naxos_proto::seams::{Disk, File, OpenMode};

/// See the module.
pub(in crate::node) struct SubDisk {
    pub(in crate::node) disk: Arc<dyn Disk>,
    pub(in crate::node) folder: &'static str,
}

impl SubDisk {
    fn path(&self, path: &str) -> String {
        if path.is_empty() { self.folder.to_owned() } else { format!("{}/{path}", self.folder) }
    }
}

impl Disk for SubDisk {
    fn open<'a>(&'a self, path: &'a str, mode: OpenMode) -> BoxFuture<'a, io::Result<Arc<dyn File>>> {
        Box::pin(async move { self.disk.open(&self.path(path), mode).await })
    }

    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<Vec<String>>> {
        Box::pin(async move { self.disk.list(&self.path(dir)).await })
    }

    fn create_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move { self.disk.create_dir(&self.path(dir)).await })
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move { self.disk.rename(&self.path(from), &self.path(to)).await })
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move { self.disk.remove(&self.path(path)).await })
    }

    fn remove_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move { self.disk.remove_dir(&self.path(dir)).await })
    }

    fn sync_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move { self.disk.sync_dir(&self.path(dir)).await })
    }

    fn lock<'a>(&'a self, path: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Send + Sync>>> {
        Box::pin(async move { self.disk.lock(&self.path(path)).await })
    }

    fn free_bytes(&self) -> BoxFuture<'_, io::Result<u64>> {
        self.disk.free_bytes()
    }
}

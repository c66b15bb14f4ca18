//! [`RealDisk`]: a directory tree of the operating system.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use naxos_proto::seams::{Disk, File, OpenMode};
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::disk::real_file::RealFile;

/// Only the owner may look into a data directory, because it holds the keys and secrets of the store's users.
const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Files below one data directory.
#[derive(Clone, Debug)]
pub struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    /// The directory `root`, made with mode 0700 if it is missing.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let disk = Self::at(root);
        fs::DirBuilder::new().recursive(true).mode(DIR_MODE).create(&disk.root)?;
        Ok(disk)
    }

    /// The directory `root`, which `create_dir("")` makes if it is missing.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The root directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, relative: &str) -> io::Result<PathBuf> {
        let plain = |c| matches!(c, std::path::Component::Normal(_));
        if !Path::new(relative).components().all(plain) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{relative:?} leaves the data directory")));
        }
        Ok(self.root.join(relative))
    }
}

fn open_file(path: &Path, mode: OpenMode) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).mode(FILE_MODE);
    match mode {
        OpenMode::Existing => {}
        OpenMode::CreateNew => drop(options.create_new(true)),
        OpenMode::Create => drop(options.create(true)),
    }
    options.open(path)
}

impl Disk for RealDisk {
    fn open<'a>(&'a self, path: &'a str, mode: OpenMode) -> BoxFuture<'a, io::Result<Arc<dyn File>>> {
        Box::pin(async move {
            let file = open_file(&self.path(path)?, mode)?;
            Ok(Arc::new(RealFile::new(file)) as Arc<dyn File>)
        })
    }

    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<Vec<String>>> {
        Box::pin(async move {
            let mut names = Vec::new();
            for entry in fs::read_dir(self.path(dir)?)? {
                let entry = entry?;
                if !entry.file_type()?.is_socket() {
                    names.push(entry.file_name().to_string_lossy().into_owned());
                }
            }
            names.sort();
            Ok(names)
        })
    }

    fn create_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move { fs::DirBuilder::new().recursive(true).mode(DIR_MODE).create(self.path(dir)?) })
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move { fs::rename(self.path(from)?, self.path(to)?) })
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move { fs::remove_file(self.path(path)?) })
    }

    fn remove_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move { fs::remove_dir(self.path(dir)?) })
    }

    fn sync_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move { fs::File::open(self.path(dir)?)?.sync_all() })
    }

    fn lock<'a>(&'a self, path: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Send + Sync>>> {
        Box::pin(async move {
            let path = self.path(path)?;
            let file = open_file(&path, OpenMode::Create)?;
            rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            // Removing the lock file must not let another process in, so the directory is locked too where the file
            // system can do that.
            let directory = fs::File::open(path.parent().unwrap_or(&self.root))?;
            if rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
                return Err(Errno::WOULDBLOCK.into());
            }
            // The locks are held as long as the descriptors are open.
            Ok(Box::new((file, directory)) as Box<dyn Send + Sync>)
        })
    }

    fn free_bytes(&self) -> BoxFuture<'_, io::Result<u64>> {
        Box::pin(async move {
            let s = rustix::fs::statvfs(&self.root)?;
            Ok(s.f_bavail.saturating_mul(s.f_frsize))
        })
    }
}

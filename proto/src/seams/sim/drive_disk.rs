//! [`MountedDisk`]: a simulated disk as one host sees it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::seams::sim::drive_file::MountedFile;
use crate::seams::sim::drive_state::{SharedState, State};
use crate::seams::sim::fault::Act;
use crate::seams::{Disk, File, OpenMode};

/// A handle for one host, valid until the drive crashes.
pub(crate) struct MountedDisk {
    pub(crate) drive: SharedState,
    pub(crate) life: u64,
    pub(crate) mount: u64,
}

impl MountedDisk {
    fn now<T>(
        &self,
        time: impl FnOnce(&State) -> Duration,
        step: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> Option<(io::Result<T>, Duration)> {
        let mut state = self.drive.alive(self.life)?;
        let outcome = step(&mut state);
        state.collect();
        let time = time(&state);
        Some((outcome, time))
    }

    /// Runs one step if the drive has not crashed. Otherwise it never returns, because software does not see a crash
    /// as an error.
    async fn act<T>(
        &self,
        time: impl FnOnce(&State) -> Duration,
        step: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let Some((outcome, time)) = self.now(time, step) else { return std::future::pending().await };
        self.drive.take(self.life, time).await;
        outcome
    }
}

struct LockGuard {
    drive: SharedState,
    path: String,
    holder: (u64, u64),
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        let mut state = self.drive.lock();
        if state.locks.get(&self.path) == Some(&self.holder) {
            state.locks.remove(&self.path);
        }
    }
}

impl Disk for MountedDisk {
    fn open<'a>(&'a self, path: &'a str, mode: OpenMode) -> BoxFuture<'a, io::Result<Arc<dyn File>>> {
        Box::pin(async move {
            let open = |state: &mut State| {
                state.trace(|| format!("open {path} {mode:?}"));
                match (state.names.get(path), mode) {
                    (Some(_), OpenMode::CreateNew) => Err(io::ErrorKind::AlreadyExists.into()),
                    (Some(inode), _) => Ok(inode),
                    (None, OpenMode::Existing) => Err(io::ErrorKind::NotFound.into()),
                    (None, _) => {
                        let inode = state.create();
                        state.names.link(path, inode).map(|()| inode)
                    }
                }
            };
            let inode = self.act(|_| Duration::ZERO, open).await?;
            let file = MountedFile { drive: self.drive.clone(), life: self.life, inode, path: path.into() };
            Ok(Arc::new(file) as Arc<dyn File>)
        })
    }

    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<Vec<String>>> {
        Box::pin(self.act(|_| Duration::ZERO, move |state| state.names.list(dir)))
    }

    fn create_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<()>> {
        let make = move |state: &mut State| {
            state.trace(|| format!("create_dir {dir}"));
            state.names.make_dir(dir);
            Ok(())
        };
        Box::pin(self.act(|_| Duration::ZERO, make))
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, io::Result<()>> {
        let rename = move |state: &mut State| {
            state.trace(|| format!("rename {from} {to}"));
            state.names.rename(from, to)
        };
        Box::pin(self.act(|_| Duration::ZERO, rename))
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, io::Result<()>> {
        let remove = move |state: &mut State| {
            state.trace(|| format!("remove {path}"));
            state.names.unlink(path)
        };
        Box::pin(self.act(|_| Duration::ZERO, remove))
    }

    fn sync_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<()>> {
        let sync = move |state: &mut State| {
            state.trace(|| format!("sync_dir {dir:?}"));
            if state.count_sync() {
                state.strike(Act::Sync, dir)?;
                state.names.sync(dir)?;
            }
            Ok(())
        };
        Box::pin(self.act(|state| state.latency.sync, sync))
    }

    fn lock<'a>(&'a self, path: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Send + Sync>>> {
        Box::pin(async move {
            let holder = (self.life, self.mount);
            let lock = move |state: &mut State| {
                state.trace(|| format!("lock {path}"));
                if state.locks.contains_key(path) {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                if state.names.get(path).is_none() {
                    let inode = state.create();
                    state.names.link(path, inode)?;
                }
                state.locks.insert(path.to_owned(), holder);
                Ok(())
            };
            self.act(|_| Duration::ZERO, lock).await?;
            let guard = LockGuard { drive: self.drive.clone(), path: path.to_owned(), holder };
            Ok(Box::new(guard) as Box<dyn Send + Sync>)
        })
    }

    fn free_bytes(&self) -> BoxFuture<'_, io::Result<u64>> {
        Box::pin(self.act(|_| Duration::ZERO, |state| Ok(state.free())))
    }
}

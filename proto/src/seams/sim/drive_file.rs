//! [`MountedFile`]: one open file of a simulated disk.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::seams::sim::drive_state::{Latency, SharedState, State};
use crate::seams::sim::fault::Act;
use crate::seams::sim::image::{Image, Syncing};
use crate::seams::sim::names::Inode;
use crate::seams::{BlockingFile, File};

/// The longest single wait in [`File::settle`]. After each wait, it checks whether the disk is fast again.
const SETTLE_PIECE: Duration = Duration::from_millis(100);

/// An open file. It is dead after a crash of the drive.
#[derive(Clone)]
pub(crate) struct MountedFile {
    pub(crate) drive: SharedState,
    pub(crate) life: u64,
    pub(crate) inode: Inode,
    pub(crate) path: Arc<str>,
}

impl fmt::Debug for MountedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MountedFile({})", self.path)
    }
}

fn dead() -> io::Error {
    io::Error::other("the simulated disk has crashed")
}

impl MountedFile {
    fn now<T>(&self, step: impl FnOnce(&mut State, &str) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.drive.alive(self.life).ok_or_else(dead)?;
        step(&mut state, &self.path)
    }

    /// Returns `outcome` after `time`. Never returns if the drive has crashed.
    async fn later<T>(&self, time: Duration, outcome: io::Result<T>) -> io::Result<T> {
        self.drive.take(self.life, time).await;
        outcome
    }

    fn latency(&self) -> Latency {
        self.drive.lock().latency
    }

    fn image<'a>(&self, state: &'a mut State) -> io::Result<&'a mut Image> {
        state.images.get_mut(&self.inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn do_write(&self, at: u64, bufs: &[&[u8]]) -> io::Result<()> {
        self.now(|state, path| {
            let len: usize = bufs.iter().map(|b| b.len()).sum();
            state.trace(|| format!("write {path} {at}+{len}"));
            state.strike(Act::Write, path)?;
            state.check_growth(self.inode, at + len as u64)?;
            let image = self.image(state)?;
            let mut at = at;
            for buf in bufs {
                image.write(at, buf);
                at += buf.len() as u64;
            }
            Ok(())
        })
    }

    fn do_read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.now(|state, path| {
            state.strike(Act::Read, path)?;
            self.image(state)?.read(at, out)
        })
    }

    fn do_set_len(&self, len: u64) -> io::Result<()> {
        self.now(|state, path| {
            state.trace(|| format!("set_len {path} {len}"));
            state.strike(Act::Length, path)?;
            state.check_growth(self.inode, len)?;
            self.image(state)?.set_len(len);
            Ok(())
        })
    }

    /// Begins a sync. `None` if the drive crashed at this sync.
    fn begin_sync(&self) -> io::Result<Option<Syncing>> {
        self.now(|state, path| {
            state.trace(|| format!("sync {path}"));
            if !state.count_sync() {
                return Ok(None);
            }
            let failed = state.strike(Act::Sync, path);
            let image = self.image(state)?;
            let syncing = image.begin_sync();
            if let Err(e) = failed {
                image.fail_sync(&syncing);
                return Err(e);
            }
            Ok(Some(syncing))
        })
    }

    fn end_sync(&self, syncing: &Syncing) -> io::Result<()> {
        self.now(|state, _| {
            self.image(state)?.end_sync(syncing);
            Ok(())
        })
    }
}

impl File for MountedFile {
    fn write_at<'a>(&'a self, at: u64, bufs: &'a [Bytes]) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            let slices: Vec<&[u8]> = bufs.iter().map(|b| &b[..]).collect();
            let outcome = self.do_write(at, &slices);
            self.later(self.latency().write, outcome).await
        })
    }

    fn read_at(&self, at: u64, len: usize) -> BoxFuture<'_, io::Result<Bytes>> {
        Box::pin(async move {
            let mut out = vec![0; len];
            let outcome = self.do_read(at, &mut out);
            self.later(self.latency().read, outcome).await?;
            Ok(out.into())
        })
    }

    fn sync(&self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            let begun = self.begin_sync();
            let syncing = self.later(self.latency().sync, begun).await?;
            match syncing {
                Some(syncing) => self.end_sync(&syncing),
                None => std::future::pending().await,
            }
        })
    }

    fn set_len(&self, len: u64) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            let outcome = self.do_set_len(len);
            self.later(self.latency().write, outcome).await
        })
    }

    fn len(&self) -> BoxFuture<'_, io::Result<u64>> {
        Box::pin(async move {
            let outcome = BlockingFile::len(self);
            self.later(Duration::ZERO, outcome).await
        })
    }

    fn blocking(&self) -> Arc<dyn BlockingFile> {
        Arc::new(self.clone())
    }

    fn settle(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // The wait has to end soon after the disk is fast again, so it is made of short waits.
            while let Some(piece) = self.drive.alive(self.life).map(|mut state| state.pay(SETTLE_PIECE)) {
                self.drive.take(self.life, piece).await;
                if piece < SETTLE_PIECE {
                    return;
                }
            }
            self.drive.take(self.life, Duration::ZERO).await;
        })
    }
}

impl MountedFile {
    /// Notes the time that a synchronous call would take. [`File::settle`] waits for it later.
    fn owe(&self, time: impl FnOnce(&State) -> Duration) {
        if let Some(mut state) = self.drive.alive(self.life) {
            let time = time(&state);
            state.owed += time;
        }
    }
}

impl BlockingFile for MountedFile {
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.owe(|s| s.latency.read);
        self.do_read(at, out)
    }

    fn write_at(&self, at: u64, data: &[u8]) -> io::Result<()> {
        self.owe(|s| s.latency.write);
        self.do_write(at, &[data])
    }

    fn sync(&self) -> io::Result<()> {
        self.owe(|s| s.latency.sync);
        let syncing = self.begin_sync()?.ok_or_else(dead)?;
        self.end_sync(&syncing)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.do_set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.now(|state, _| self.image(state).map(|i| i.len() as u64))
    }
}

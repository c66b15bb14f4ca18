//! [`MemoryDisk`]: a disk that is kept in memory and gone with its node.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos_proto::seams::{BlockingFile, Disk, File, OpenMode};
use parking_lot::{Mutex, RwLock};

/// Only pages to which something other than zeros was written take memory. The journal fills its files with zeros, and
/// these zeros must not cost memory.
const PAGE_BYTES: usize = 4096;
/// What the disk says is free: more than anything in a test needs.
const FREE_BYTES: u64 = 1 << 40;

type Page = Box<[u8; PAGE_BYTES]>;

/// See the module.
#[derive(Default)]
pub(super) struct MemoryDisk {
    files: Mutex<BTreeMap<String, Arc<MemoryFile>>>,
    locks: Arc<Mutex<BTreeSet<String>>>,
}

#[derive(Default)]
struct Content {
    len: u64,
    pages: BTreeMap<u64, Page>,
}

#[derive(Default)]
struct MemoryFile(RwLock<Content>);

/// A lock on a path, until it is dropped.
struct Held {
    path: String,
    locks: Arc<Mutex<BTreeSet<String>>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.locks.lock().remove(&self.path);
    }
}

fn ready<'a, T: Send + 'a>(outcome: io::Result<T>) -> BoxFuture<'a, io::Result<T>> {
    Box::pin(std::future::ready(outcome))
}

impl MemoryDisk {
    fn find(&self, path: &str, mode: OpenMode) -> io::Result<Arc<MemoryFile>> {
        let mut files = self.files.lock();
        match (files.get(path), mode) {
            (Some(_), OpenMode::CreateNew) => Err(ErrorKind::AlreadyExists.into()),
            (None, OpenMode::Existing) => Err(ErrorKind::NotFound.into()),
            (Some(file), _) => Ok(Arc::clone(file)),
            (None, _) => Ok(Arc::clone(files.entry(path.to_owned()).or_default())),
        }
    }

    /// The names in `dir`: of files, and of directories that have files.
    fn names(&self, dir: &str) -> Vec<String> {
        let prefix = if dir.is_empty() { String::new() } else { format!("{dir}/") };
        let files = self.files.lock();
        let below = files.keys().filter_map(|path| path.strip_prefix(&prefix));
        let names: BTreeSet<String> = below.filter_map(|rest| rest.split('/').next()).map(str::to_owned).collect();
        names.into_iter().collect()
    }
}

impl Disk for MemoryDisk {
    fn open<'a>(&'a self, path: &'a str, mode: OpenMode) -> BoxFuture<'a, io::Result<Arc<dyn File>>> {
        ready(self.find(path, mode).map(|file| Arc::new(Handle(file)) as Arc<dyn File>))
    }

    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<Vec<String>>> {
        ready(Ok(self.names(dir)))
    }

    fn create_dir<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<()>> {
        ready(Ok(()))
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, io::Result<()>> {
        let mut files = self.files.lock();
        let moved = files.remove(from).map(|file| files.insert(to.to_owned(), file)).map(drop);
        ready(moved.ok_or_else(|| ErrorKind::NotFound.into()))
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, io::Result<()>> {
        ready(self.files.lock().remove(path).map(drop).ok_or_else(|| ErrorKind::NotFound.into()))
    }

    fn sync_dir<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<()>> {
        ready(Ok(()))
    }

    fn lock<'a>(&'a self, path: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Send + Sync>>> {
        if !self.locks.lock().insert(path.to_owned()) {
            return ready(Err(ErrorKind::WouldBlock.into()));
        }
        let held = Held { path: path.to_owned(), locks: Arc::clone(&self.locks) };
        ready(self.find(path, OpenMode::Create).map(|_| Box::new(held) as Box<dyn Send + Sync>))
    }

    fn free_bytes(&self) -> BoxFuture<'_, io::Result<u64>> {
        ready(Ok(FREE_BYTES))
    }
}

impl Content {
    /// Calls `step` for each page that the `len` bytes from `at` on touch: with the number of the page, the range of bytes
    /// within it, and the range of the `len` bytes that lie there.
    fn each_page(at: u64, len: usize, mut step: impl FnMut(u64, std::ops::Range<usize>, std::ops::Range<usize>)) {
        let mut done = 0;
        while done < len {
            let position = at + done as u64;
            let within = usize::try_from(position % PAGE_BYTES as u64).expect("below the size of a page");
            let count = (PAGE_BYTES - within).min(len - done);
            step(position / PAGE_BYTES as u64, within..within + count, done..done + count);
            done += count;
        }
    }

    fn write(&mut self, at: u64, data: &[u8]) {
        let pages = &mut self.pages;
        Self::each_page(at, data.len(), |number, within, of_data| {
            let piece = &data[of_data];
            match pages.get_mut(&number) {
                Some(page) => page[within].copy_from_slice(piece),
                None if piece.iter().all(|byte| *byte == 0) => {}
                None => pages.entry(number).or_insert_with(|| Box::new([0; PAGE_BYTES]))[within].copy_from_slice(piece),
            }
        });
        self.len = self.len.max(at + data.len() as u64);
    }

    fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        if at + out.len() as u64 > self.len {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Self::each_page(at, out.len(), |number, within, of_out| match self.pages.get(&number) {
            Some(page) => out[of_out].copy_from_slice(&page[within]),
            None => out[of_out].fill(0),
        });
        Ok(())
    }

    fn set_len(&mut self, len: u64) {
        if len < self.len {
            let (last, rest) = (len / PAGE_BYTES as u64, len % PAGE_BYTES as u64);
            self.pages.retain(|number, _| *number <= last);
            if let Some(page) = self.pages.get_mut(&last) {
                page[usize::try_from(rest).expect("below the size of a page")..].fill(0);
            }
        }
        self.len = len;
    }
}

/// An open file. It goes on after the file was removed, as on a real disk.
struct Handle(Arc<MemoryFile>);

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a file of {} bytes in memory", self.0.0.read().len)
    }
}

impl File for Handle {
    fn write_at<'a>(&'a self, at: u64, bufs: &'a [Bytes]) -> BoxFuture<'a, io::Result<()>> {
        let mut content = self.0.0.write();
        let mut at = at;
        for buf in bufs {
            content.write(at, buf);
            at += buf.len() as u64;
        }
        ready(Ok(()))
    }

    fn read_at(&self, at: u64, len: usize) -> BoxFuture<'_, io::Result<Bytes>> {
        let mut out = vec![0; len];
        ready(self.0.0.read().read(at, &mut out).map(|()| out.into()))
    }

    fn sync(&self) -> BoxFuture<'_, io::Result<()>> {
        ready(Ok(()))
    }

    fn set_len(&self, len: u64) -> BoxFuture<'_, io::Result<()>> {
        self.0.0.write().set_len(len);
        ready(Ok(()))
    }

    fn len(&self) -> BoxFuture<'_, io::Result<u64>> {
        ready(Ok(self.0.0.read().len))
    }

    fn blocking(&self) -> Arc<dyn BlockingFile> {
        Arc::new(Handle(Arc::clone(&self.0)))
    }

    fn settle(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl BlockingFile for Handle {
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.0.read().read(at, out)
    }

    fn write_at(&self, at: u64, data: &[u8]) -> io::Result<()> {
        self.0.0.write().write(at, data);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.0.write().set_len(len);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.0.read().len)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_file_reads_what_was_written_and_zeros_elsewhere() {
        let mut content = Content::default();
        content.write(4_000, &[7; 300]);
        content.write(20_000, &[0; 100]);
        assert_eq!((content.len, content.pages.len()), (20_100, 2), "zeros take no memory");
        let mut out = [1; 400];
        content.read(3_950, &mut out).unwrap();
        assert_eq!((&out[..50], &out[50..350], &out[350..]), (&[0; 50][..], &[7; 300][..], &[0; 50][..]));
        content.set_len(4_100);
        content.set_len(5_000);
        content.read(4_090, &mut out[..20]).unwrap();
        assert_eq!(out[..20], [[7; 10], [0; 10]].concat());
        assert_eq!(content.read(4_990, &mut out[..20]).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn names_and_locks_are_those_of_a_directory() {
        let disk = MemoryDisk::default();
        disk.find("log/1", OpenMode::CreateNew).unwrap();
        assert_eq!(disk.find("log/1", OpenMode::CreateNew).err().map(|e| e.kind()), Some(ErrorKind::AlreadyExists));
        assert_eq!(disk.find("log/2", OpenMode::Existing).err().map(|e| e.kind()), Some(ErrorKind::NotFound));
        assert_eq!((disk.names(""), disk.names("log")), (vec!["log".to_owned()], vec!["1".to_owned()]));
        let take = || disk.lock("lock").now_or_never().expect("it waits for nothing");
        let held = take().ok();
        assert_eq!(take().err().map(|e| e.kind()), Some(ErrorKind::WouldBlock));
        drop(held);
        assert!(take().is_ok());
    }
}

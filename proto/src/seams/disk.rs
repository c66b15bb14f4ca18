//! Files. Paths are relative to one data directory, which the implementation owns.
//!
//! The calls are asynchronous, so that the simulator can make a call take time or never return. In production a call
//! blocks the thread that polls it. So Workers make these calls. The only one that an RPC runtime makes is
//! [`Disk::free_bytes`].

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

/// How [`Disk::open`] treats an existing or missing file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Opens a file. Fails with `NotFound` if there is none.
    Existing,
    /// Creates a file. Fails with `AlreadyExists` if there is one.
    CreateNew,
    /// Opens a file, or creates it if there is none.
    Create,
}

/// A directory tree.
///
/// Durability: file contents are durable after [`File::sync`]; names (create, rename, remove) after
/// [`Disk::sync_dir`] of their directory. After a crash the simulator keeps a random part of what was not synced.
/// # Cancel safety
/// If a future is dropped, the call may or may not have been done.
pub trait Disk: Send + Sync {
    /// Opens a file for reading and writing.
    fn open<'a>(&'a self, path: &'a str, mode: OpenMode) -> BoxFuture<'a, io::Result<Arc<dyn File>>>;
    /// The names in `dir` (files and directories, without their path), ascending. `""` is the root. Sockets are left
    /// out, because they hold no data, and a server may be configured to listen in its own data directory.
    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<Vec<String>>>;
    /// Makes `dir` and its parents. No error if it exists.
    fn create_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<()>>;
    /// Renames `from` to `to`, which it replaces atomically.
    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, io::Result<()>>;
    /// Removes a file.
    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, io::Result<()>>;
    /// Removes an empty directory. The default does nothing, so a simulated disk keeps its empty directories.
    fn remove_dir<'a>(&'a self, _dir: &'a str) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// Makes the names in `dir` durable.
    fn sync_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, io::Result<()>>;
    /// Takes the advisory lock on `path` (a file that is created if it is missing). It is held until the returned
    /// guard is dropped or the process ends. `WouldBlock` if it is held already, by this process or by another one.
    fn lock<'a>(&'a self, path: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Send + Sync>>>;
    /// How many bytes an unprivileged process may still write on this file system.
    fn free_bytes(&self) -> BoxFuture<'_, io::Result<u64>>;
}

/// Whether a call failed only because the disk or a quota is full. It may be tried again when there is room.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// An open file.
#[expect(clippy::len_without_is_empty, reason = "nobody asks, and the length costs a call")]
pub trait File: Send + Sync + Debug {
    /// Writes all of `bufs`, one after the other, from byte `at` on (one vectored write). Extends the file if needed.
    fn write_at<'a>(&'a self, at: u64, bufs: &'a [Bytes]) -> BoxFuture<'a, io::Result<()>>;
    /// Reads exactly `len` bytes from byte `at` on. `UnexpectedEof` if the file ends before.
    fn read_at(&self, at: u64, len: usize) -> BoxFuture<'_, io::Result<Bytes>>;
    /// Makes the contents and the length durable (fdatasync). Must not be called again after an error.
    fn sync(&self) -> BoxFuture<'_, io::Result<()>>;
    /// Sets the length. New bytes are zero.
    fn set_len(&self, len: u64) -> BoxFuture<'_, io::Result<()>>;
    /// The length in bytes.
    fn len(&self) -> BoxFuture<'_, io::Result<u64>>;
    /// The same file with synchronous calls, for redb's storage backend.
    fn blocking(&self) -> Arc<dyn BlockingFile>;
    /// Waits as long as the earlier synchronous calls on this disk would have taken. Callers use the results of such
    /// calls only after this. Returns at once in production; never returns on a crashed disk.
    fn settle(&self) -> BoxFuture<'_, ()>;
}

/// A file with synchronous calls. Each call blocks its thread, so a thread that serves requests must not make one. On a
/// crashed disk every call returns an error.
pub trait BlockingFile: Send + Sync + Debug {
    /// Fills `out` from byte `at` on.
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()>;
    /// Writes all of `data` at byte `at`.
    fn write_at(&self, at: u64, data: &[u8]) -> io::Result<()>;
    /// As [`File::sync`].
    fn sync(&self) -> io::Result<()>;
    /// As [`File::set_len`].
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// As [`File::len`].
    fn len(&self) -> io::Result<u64>;
    /// Says that `len` bytes from byte `at` on will be read soon, so that the disk may fetch them in large pieces.
    /// This is only a hint: without it reads take longer. Returns before the bytes are there.
    fn will_read(&self, _at: u64, _len: u64) {}
    /// Whether the file is empty.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

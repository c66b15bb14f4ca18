//! [`RealFile`]: one open file of the operating system.

use std::fs;
use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use naxos_proto::seams::{BlockingFile, File};
use rustix::fs::Advice;

/// Linux takes at most this many buffers in one vectored write (IOV_MAX).
const BUFFERS_PER_WRITE_MAX: usize = 1_024;
/// For one call of `fadvise`, Linux reads at most one read-ahead window of the device. This is the smallest usual
/// window.
const READ_AHEAD_BYTES: NonZeroU64 = NonZeroU64::new(128 << 10).expect("it is not zero");

/// An open file; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct RealFile(Arc<fs::File>);

impl RealFile {
    pub(crate) fn new(file: fs::File) -> Self {
        Self(Arc::new(file))
    }

    fn write_vectored(&self, mut at: u64, bufs: &[Bytes]) -> io::Result<()> {
        for group in bufs.chunks(BUFFERS_PER_WRITE_MAX) {
            let mut slices: Vec<IoSlice<'_>> = group.iter().map(|b| IoSlice::new(b)).collect();
            let mut left = &mut slices[..];
            IoSlice::advance_slices(&mut left, 0);
            while !left.is_empty() {
                let written = match rustix::io::pwritev(&*self.0, left, at) {
                    Err(rustix::io::Errno::INTR) => continue,
                    written => written?,
                };
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                at += written as u64;
                IoSlice::advance_slices(&mut left, written);
            }
        }
        Ok(())
    }
}

impl File for RealFile {
    fn write_at<'a>(&'a self, at: u64, bufs: &'a [Bytes]) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            match bufs {
                [one] => self.0.write_all_at(one, at),
                many => self.write_vectored(at, many),
            }
        })
    }

    fn read_at(&self, at: u64, len: usize) -> BoxFuture<'_, io::Result<Bytes>> {
        Box::pin(async move {
            let mut out = vec![0; len];
            self.0.read_exact_at(&mut out, at)?;
            Ok(out.into())
        })
    }

    fn sync(&self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move { self.0.sync_data() })
    }

    fn set_len(&self, len: u64) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move { self.0.set_len(len) })
    }

    fn len(&self) -> BoxFuture<'_, io::Result<u64>> {
        Box::pin(async move { Ok(self.0.metadata()?.len()) })
    }

    fn blocking(&self) -> Arc<dyn BlockingFile> {
        Arc::new(self.clone())
    }

    fn settle(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl BlockingFile for RealFile {
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, at)
    }

    fn write_at(&self, at: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn will_read(&self, at: u64, len: u64) {
        for piece in (at..at.saturating_add(len)).step_by(READ_AHEAD_BYTES.get() as usize) {
            // An error does no harm: without the hint the bytes are read from the disk when they are asked for.
            let _ = rustix::fs::fadvise(&*self.0, piece, Some(READ_AHEAD_BYTES), Advice::WillNeed);
        }
    }
}

//! A file whose changes wait in memory until somebody says that they are good.
//!
//! redb writes to a file as soon as it opens it, before anyone can tell whether the file is whole. A store that is
//! refused must be as it was; so the first calls go through here, and reach the file in their order, syncs included,
//! once it has been looked at. What waits is a few pages.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use naxos_proto::seams::BlockingFile;
use parking_lot::Mutex;

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
    Sync,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct HeldFile {
    file: Arc<dyn BlockingFile>,
    /// Of the file while it is not changed: asking for it at each read costs a call.
    file_len: u64,
    /// Once false, every call goes straight to the file.
    holding: AtomicBool,
    changes: Mutex<Vec<Change>>,
}

impl HeldFile {
    /// Holds back changes of `file`, which has `file_len` bytes, until [`Self::release`].
    pub(crate) fn new(file: Arc<dyn BlockingFile>, file_len: u64) -> Arc<Self> {
        Arc::new(Self { file, file_len, holding: AtomicBool::new(true), changes: Mutex::default() })
    }

    /// Makes the changes so far, and from now on each at once.
    pub(crate) fn release(&self) -> io::Result<()> {
        for change in self.changes.lock().drain(..) {
            match change {
                Change::Write(at, data) => self.file.write_at(at, &data)?,
                Change::Length(len) => self.file.set_len(len)?,
                Change::Sync => self.file.sync()?,
            }
        }
        self.holding.store(false, Ordering::Release);
        Ok(())
    }

    fn hold(&self, change: Change) -> Option<Change> {
        if !self.holding.load(Ordering::Acquire) {
            return Some(change);
        }
        self.changes.lock().push(change);
        None
    }
}

/// The part of `out`, which begins at byte `at`, that `data` at byte `begin` covers.
fn overlay(out: &mut [u8], at: u64, begin: u64, data: &[u8]) {
    let (from, below) = (at.max(begin), (at + out.len() as u64).min(begin + data.len() as u64));
    if from < below {
        let index = |position: u64, base: u64| usize::try_from(position - base).expect("within a buffer");
        out[index(from, at)..index(below, at)].copy_from_slice(&data[index(from, begin)..index(below, begin)]);
    }
}

impl BlockingFile for HeldFile {
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        if !self.holding.load(Ordering::Acquire) {
            return self.file.read_at(at, out);
        }
        if at + out.len() as u64 > self.len()? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let in_file = usize::try_from(self.file_len.saturating_sub(at)).unwrap_or(usize::MAX).min(out.len());
        self.file.read_at(at, &mut out[..in_file])?;
        out[in_file..].fill(0);
        for change in self.changes.lock().iter() {
            match change {
                Change::Write(begin, data) => overlay(out, at, *begin, data),
                Change::Length(len) => {
                    let kept = usize::try_from(len.saturating_sub(at)).unwrap_or(usize::MAX).min(out.len());
                    out[kept..].fill(0);
                }
                Change::Sync => {}
            }
        }
        Ok(())
    }

    fn write_at(&self, at: u64, data: &[u8]) -> io::Result<()> {
        if !self.holding.load(Ordering::Acquire) {
            return self.file.write_at(at, data);
        }
        self.hold(Change::Write(at, data.to_vec()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.hold(Change::Sync).map_or(Ok(()), |_| self.file.sync())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.hold(Change::Length(len)).map_or(Ok(()), |_| self.file.set_len(len))
    }

    fn len(&self) -> io::Result<u64> {
        if !self.holding.load(Ordering::Acquire) {
            return self.file.len();
        }
        let mut len = self.file_len;
        for change in self.changes.lock().iter() {
            match change {
                Change::Write(at, data) => len = len.max(at + data.len() as u64),
                Change::Length(set) => len = *set,
                Change::Sync => {}
            }
        }
        Ok(len)
    }

    fn will_read(&self, at: u64, len: u64) {
        self.file.will_read(at, len);
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::seams::OpenMode;
    use naxos_proto::seams::sim::Drive;

    use super::*;

    #[tokio::test]
    async fn changes_are_seen_at_once_and_made_when_released() {
        let disk = Drive::new(1).mount();
        let file = disk.open("f", OpenMode::Create).await.unwrap().blocking();
        file.write_at(0, b"abcdef").unwrap();
        let held = HeldFile::new(Arc::clone(&file), 6);
        held.write_at(4, b"XYZ").unwrap();
        held.set_len(9).unwrap();
        held.sync().unwrap();
        let read = |f: &dyn BlockingFile, at, len| {
            let mut out = vec![1; len];
            f.read_at(at, &mut out).map(|()| out)
        };
        assert_eq!(read(&*held, 1, 8).unwrap(), b"bcdXYZ\0\0");
        assert!(read(&*held, 1, 9).is_err());
        held.set_len(5).unwrap();
        held.set_len(6).unwrap();
        assert_eq!((held.len().unwrap(), read(&*held, 3, 3).unwrap()), (6, b"dX\0".to_vec()));
        assert_eq!(read(&*file, 0, 6).unwrap(), b"abcdef", "nothing has reached the file");
        held.release().unwrap();
        assert_eq!(read(&*file, 0, 6).unwrap(), b"abcdX\0");
        held.write_at(0, b"!").unwrap();
        assert_eq!(read(&*file, 0, 1).unwrap(), b"!");
    }
}

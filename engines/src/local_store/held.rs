//! A file whose changes wait in memory: until somebody says that they are good, or until the disk has room for them.
//!
//! redb writes to a file as soon as it opens it, before anyone can tell whether the file is whole. A store that is
//! refused must be as it was; so the first calls go through here, and reach the file in their order, syncs included,
//! once it has been looked at. What waits is a few pages.
//!
//! And redb refuses all use of a file, reads too, after one write that failed. Where others take the disk's last bytes
//! while a checkpoint is being written, what has no room waits, and all behind it; the checkpoint is durable when it
//! has been made. What waits is one checkpoint.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use naxos_proto::seams::{BlockingFile, is_full};
use parking_lot::{Mutex, MutexGuard};

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
    Sync,
}

impl Change {
    fn make(&self, file: &dyn BlockingFile) -> io::Result<()> {
        match self {
            Change::Write(at, data) => file.write_at(*at, data),
            Change::Length(len) => file.set_len(*len),
            Change::Sync => file.sync(),
        }
    }

    /// The length of a file of `len` bytes behind the change.
    fn len_behind(&self, len: u64) -> u64 {
        match self {
            Change::Write(at, data) => len.max(at + data.len() as u64),
            Change::Length(set) => *set,
            Change::Sync => len,
        }
    }

    /// Whether the change failed for lack of room alone, and may be tried again. A sync never is.
    fn waits_for_room(&self, error: &io::Error) -> bool {
        is_full(error) && !matches!(self, Change::Sync)
    }
}

/// What waits, in order.
#[derive(Debug, Default)]
struct Changes {
    waiting: VecDeque<Change>,
    /// Of the file as it is.
    file_len: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct HeldFile {
    file: Arc<dyn BlockingFile>,
    /// While false, every call goes straight to the file.
    holding: AtomicBool,
    /// Whether a change for which the disk has no room waits for it.
    waits_for_room: AtomicBool,
    changes: Mutex<Changes>,
}

impl HeldFile {
    /// Holds back changes of `file`, which has `file_len` bytes, until [`Self::release`].
    pub(crate) fn new(file: Arc<dyn BlockingFile>, file_len: u64) -> Arc<Self> {
        let changes = Mutex::new(Changes { file_len, ..Changes::default() });
        Arc::new(Self { file, holding: AtomicBool::new(true), waits_for_room: AtomicBool::new(false), changes })
    }

    /// Makes each change of `file` at once.
    pub(crate) fn open(file: Arc<dyn BlockingFile>) -> Arc<Self> {
        let (holding, waits_for_room) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { file, holding, waits_for_room, changes: Mutex::default() })
    }

    /// From now on, changes for which the disk has no room are held back, until a [`Self::release`] finds some.
    pub(crate) fn wait_for_room(&self) {
        self.waits_for_room.store(true, Ordering::Release);
    }

    /// Whether changes wait.
    pub(crate) fn is_holding(&self) -> bool {
        self.holding.load(Ordering::Acquire)
    }

    /// The changes that wait, while there are any.
    fn held(&self) -> Option<MutexGuard<'_, Changes>> {
        // Looked at again under the lock: they may be released meanwhile.
        self.is_holding().then(|| self.changes.lock()).filter(|_| self.is_holding())
    }

    /// Makes the changes so far, and from now on each at once; false if the disk has no room for all of them.
    pub(crate) fn release(&self) -> io::Result<bool> {
        // Locked all the time: a reader finds a change in the file or here.
        let mut changes = self.changes.lock();
        while let Some(change) = changes.waiting.front() {
            match change.make(&*self.file) {
                Ok(()) => {}
                Err(e) if change.waits_for_room(&e) => return Ok(false),
                Err(e) => return Err(e),
            }
            changes.file_len = change.len_behind(changes.file_len);
            changes.waiting.pop_front();
        }
        self.holding.store(false, Ordering::Release);
        Ok(true)
    }

    fn change(&self, change: impl FnOnce() -> Change, make: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if let Some(mut changes) = self.held() {
            changes.waiting.push_back(change());
            return Ok(());
        }
        let made = make();
        let Err(error) = &made else { return made };
        let change = change();
        if !self.waits_for_room.load(Ordering::Acquire) || !change.waits_for_room(error) {
            return made;
        }
        let mut changes = self.changes.lock();
        changes.file_len = self.file.len()?;
        changes.waiting.push_back(change);
        self.holding.store(true, Ordering::Release);
        Ok(())
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

impl Changes {
    fn len(&self) -> u64 {
        self.waiting.iter().fold(self.file_len, |len, change| change.len_behind(len))
    }

    fn read_at(&self, file: &dyn BlockingFile, at: u64, out: &mut [u8]) -> io::Result<()> {
        if at + out.len() as u64 > self.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let in_file = usize::try_from(self.file_len.saturating_sub(at)).unwrap_or(usize::MAX).min(out.len());
        if in_file > 0 {
            file.read_at(at, &mut out[..in_file])?;
        }
        out[in_file..].fill(0);
        for change in &self.waiting {
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
}

impl BlockingFile for HeldFile {
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        match self.held() {
            Some(changes) => changes.read_at(&*self.file, at, out),
            None => self.file.read_at(at, out),
        }
    }

    fn write_at(&self, at: u64, data: &[u8]) -> io::Result<()> {
        self.change(|| Change::Write(at, data.to_vec()), || self.file.write_at(at, data))
    }

    fn sync(&self) -> io::Result<()> {
        self.change(|| Change::Sync, || self.file.sync())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|| Change::Length(len), || self.file.set_len(len))
    }

    fn len(&self) -> io::Result<u64> {
        match self.held() {
            Some(changes) => Ok(changes.len()),
            None => self.file.len(),
        }
    }

    fn will_read(&self, at: u64, len: u64) {
        self.file.will_read(at, len);
    }
}

#[cfg(test)]
mod tests {
    use naxos_proto::seams::OpenMode;
    use naxos_proto::seams::sim::{Drive, Fault};

    use super::*;

    fn read(file: &dyn BlockingFile, at: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut out = vec![1; len];
        file.read_at(at, &mut out).map(|()| out)
    }

    /// A reader sees them wherever the release has got to, also where that has failed for good.
    #[tokio::test]
    async fn changes_without_room_are_seen_at_once_and_made_in_order_when_there_is_some() {
        let drive = Drive::new(1);
        let disk = drive.mount();
        let file = disk.open("f", OpenMode::Create).await.unwrap().blocking();
        let held = HeldFile::open(Arc::clone(&file));
        held.write_at(0, b"abc").unwrap();
        let full = |from| drive.set_fault(Fault::Full { path: "f".to_owned(), from });
        full(1);
        assert!(held.write_at(0, b"X").is_err(), "nobody has said that it may wait");
        held.wait_for_room();
        held.write_at(3, b"def").unwrap();
        held.set_len(8).unwrap();
        held.sync().unwrap();
        held.write_at(1, b"B").unwrap();
        held.write_at(8, b"!").unwrap();
        held.sync().unwrap();
        for (faults, in_file) in [(1, &b"abc"[..]), (3, b"abcdef\0\0"), (2, b"aBcdef\0\0")] {
            drive.clear_faults();
            full(faults);
            assert!(!held.release().unwrap() && held.is_holding());
            assert_eq!(read(&*file, 0, in_file.len()).unwrap(), in_file);
            assert_eq!((held.len().unwrap(), read(&*held, 0, 9).unwrap()), (9, b"aBcdef\0\0!".to_vec()));
            assert_eq!(read(&*held, 7, 2).unwrap(), b"\0!");
            assert_eq!(read(&*held, 8, 1).unwrap(), b"!");
        }
        drive.clear_faults();
        drive.set_fault(Fault::Sync { path: "f".to_owned(), from: 1 });
        assert!(held.release().is_err(), "a sync that failed is not tried again");
        assert_eq!((held.len().unwrap(), read(&*held, 0, 9).unwrap()), (9, b"aBcdef\0\0!".to_vec()));
    }

    #[tokio::test]
    async fn changes_are_seen_at_once_and_made_when_released() {
        let disk = Drive::new(1).mount();
        let file = disk.open("f", OpenMode::Create).await.unwrap().blocking();
        file.write_at(0, b"abcdef").unwrap();
        let held = HeldFile::new(Arc::clone(&file), 6);
        held.write_at(4, b"XYZ").unwrap();
        held.set_len(9).unwrap();
        held.sync().unwrap();
        assert_eq!(read(&*held, 1, 8).unwrap(), b"bcdXYZ\0\0");
        assert!(read(&*held, 1, 9).is_err());
        held.set_len(5).unwrap();
        held.set_len(6).unwrap();
        assert_eq!((held.len().unwrap(), read(&*held, 3, 3).unwrap()), (6, b"dX\0".to_vec()));
        assert_eq!(read(&*file, 0, 6).unwrap(), b"abcdef", "nothing has reached the file");
        assert!(held.release().unwrap());
        assert_eq!(read(&*file, 0, 6).unwrap(), b"abcdX\0");
        held.write_at(0, b"!").unwrap();
        assert_eq!(read(&*file, 0, 1).unwrap(), b"!");
    }
}

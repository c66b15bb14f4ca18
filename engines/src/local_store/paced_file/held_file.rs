//! A file whose changes wait in memory until they are released, piece by piece. There are three reasons:
//!
//! 1. redb writes to a file as soon as it opens it, before the file was checked for damage. But if the file is refused,
//!    it must be unchanged. So the first changes are held here, and reach the file only after the check.
//!
//! 2. redb writes the pages of a transaction one by one, in no order, and then syncs all of them at once. The log
//!    server's journal is on the same device. A sync of the journal waits 5 ms for a sync of 8 MiB, and 80 ms for one
//!    of 200 MiB. So a transaction's pages are held here. They are written in ascending order of their positions,
//!    adjacent ones together, with a sync after every [`PIECE_BYTES`].
//!
//! 3. After one failed write redb refuses all use of a file, even reads. If other programs take the last bytes of the
//!    disk while a checkpoint is being written, the write that has no room waits here, and all later ones with it. When
//!    there is room again, the checkpoint becomes durable.
//!
//! A disk may do the writes between two syncs in any order, and so does this file. But no write is moved across a sync
//! or a change of the length.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use naxos_proto::seams::{BlockingFile, is_full};
use parking_lot::{Mutex, MutexGuard};

use super::writes::Writes;

/// About how many bytes are written between two syncs of the file. A sync of the journal may have to wait for all of
/// them. There are more of them if redb writes a larger page, as it does for a single large value.
const PIECE_BYTES: usize = 512 << 10;

#[derive(Debug)]
enum Change {
    Writes(Writes),
    Length(u64),
    Sync,
}

impl Change {
    /// The length that a file of `len` bytes has after the change.
    fn len_behind(&self, len: u64) -> u64 {
        match self {
            Change::Writes(writes) => len.max(writes.end()),
            Change::Length(set) => *set,
            Change::Sync => len,
        }
    }
}

/// The changes that wait to be made, oldest first.
#[derive(Debug, Default)]
struct Changes {
    waiting: VecDeque<Change>,
    /// The length of the file in bytes, without the waiting changes.
    file_len: u64,
    /// Number of bytes written to the file since its last sync.
    unsynced: usize,
}

/// What still waits after some changes were released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    /// More changes. The disk may have room for them.
    More,
    /// Changes for which the disk has no room.
    NoRoom,
}

/// A file whose changes wait in memory; see the module.
#[derive(Debug)]
pub(crate) struct HeldFile {
    file: Arc<dyn BlockingFile>,
    /// Whether changes are held back. If not, every call goes straight to the file.
    holding: AtomicBool,
    changes: Mutex<Changes>,
}

impl HeldFile {
    /// Holds back changes of `file`, which has `file_len` bytes.
    pub(crate) fn new(file: Arc<dyn BlockingFile>, file_len: u64) -> Arc<Self> {
        let changes = Mutex::new(Changes { file_len, ..Changes::default() });
        Arc::new(Self { file, holding: AtomicBool::new(true), changes })
    }

    /// Holds changes back from now on.
    pub(crate) fn hold(&self) -> io::Result<()> {
        let mut changes = self.changes.lock();
        if !self.is_holding() {
            changes.file_len = self.file.len()?;
            self.holding.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Stops holding changes back. Returns false and does nothing while changes still wait. Even redb's readers write:
    /// when they need room in redb's buffer, they write a page that a commit left there. So a change may come at any
    /// time.
    pub(crate) fn let_go(&self) -> bool {
        let changes = self.changes.lock();
        let is_empty = changes.waiting.is_empty();
        if is_empty {
            self.holding.store(false, Ordering::Release);
        }
        is_empty
    }

    /// Whether changes are held back.
    pub(crate) fn is_holding(&self) -> bool {
        self.holding.load(Ordering::Acquire)
    }

    /// Whether at least one piece waits.
    pub(crate) fn has_piece(&self) -> bool {
        self.changes.lock().bytes() >= PIECE_BYTES
    }

    /// The waiting changes, if changes are held back.
    fn held(&self) -> Option<MutexGuard<'_, Changes>> {
        // Checked again under the lock, because holding may have ended meanwhile.
        self.is_holding().then(|| self.changes.lock()).filter(|_| self.is_holding())
    }

    /// Writes the changes up to the first waiting sync, or until [`PIECE_BYTES`] are unsynced, and then syncs. If the
    /// changes end before that, all of them are written without a sync.
    pub(crate) fn release_some(&self) -> io::Result<Left> {
        loop {
            // Locked while a change is made, so that a reader finds it either in the file or here.
            let made = self.changes.lock().make_first(&*self.file);
            match made {
                Ok(Made::Change) => {}
                Ok(Made::Sync) => break,
                Ok(Made::Nothing) => return Ok(Left::Nothing),
                Err(e) if is_full(&e) => return Ok(Left::NoRoom),
                Err(e) => return Err(e),
            }
        }
        self.file.sync()?;
        Ok(if self.changes.lock().waiting.is_empty() { Left::Nothing } else { Left::More })
    }
}

/// What [`Changes::make_first`] did.
enum Made {
    /// A change was made, or a part of one.
    Change,
    /// A sync is next, which the caller has to do.
    Sync,
    /// There was nothing to do.
    Nothing,
}

impl Changes {
    fn len(&self) -> u64 {
        self.waiting.iter().fold(self.file_len, |len, change| change.len_behind(len))
    }

    fn bytes(&self) -> usize {
        let bytes = |change: &Change| if let Change::Writes(writes) = change { writes.bytes() } else { 0 };
        self.waiting.iter().map(bytes).sum()
    }

    fn add_write(&mut self, at: u64, data: &[u8]) {
        if !matches!(self.waiting.back(), Some(Change::Writes(_))) {
            self.waiting.push_back(Change::Writes(Writes::default()));
        }
        if let Some(Change::Writes(writes)) = self.waiting.back_mut() {
            writes.add(at, data);
        }
    }

    /// Makes the first waiting change, or a part of it. If [`PIECE_BYTES`] are unsynced already, it makes none and asks
    /// for a sync. After an error the change still waits.
    fn make_first(&mut self, file: &dyn BlockingFile) -> io::Result<Made> {
        let room = PIECE_BYTES.saturating_sub(self.unsynced);
        if room == 0 {
            self.unsynced = 0;
            return Ok(Made::Sync);
        }
        let made = match self.waiting.front_mut() {
            None => return Ok(Made::Nothing),
            Some(Change::Writes(writes)) => {
                if let Some((at, run)) = writes.first_run(room) {
                    file.write_at(at, &run)?;
                    let end = at + run.len() as u64;
                    self.unsynced += run.len();
                    self.file_len = self.file_len.max(end);
                    writes.forget_before(end);
                    return Ok(Made::Change);
                }
                Made::Change
            }
            Some(Change::Length(len)) => {
                file.set_len(*len)?;
                self.file_len = *len;
                Made::Change
            }
            Some(Change::Sync) => {
                self.unsynced = 0;
                Made::Sync
            }
        };
        self.waiting.pop_front();
        Ok(made)
    }

    fn read_at(&self, file: &dyn BlockingFile, at: u64, out: &mut [u8]) -> io::Result<()> {
        if at + out.len() as u64 > self.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // How many bytes of `out` lie within a file of `len` bytes.
        let covered =
            |len: u64, out: &[u8]| usize::try_from(len.saturating_sub(at)).unwrap_or(usize::MAX).min(out.len());
        let in_file = covered(self.file_len, out);
        if in_file > 0 {
            file.read_at(at, &mut out[..in_file])?;
        }
        out[in_file..].fill(0);
        for change in &self.waiting {
            match change {
                Change::Writes(writes) => writes.overlay(at, out),
                Change::Length(len) => {
                    let kept = covered(*len, out);
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
        match self.held() {
            Some(mut changes) => {
                changes.add_write(at, data);
                Ok(())
            }
            None => self.file.write_at(at, data),
        }
    }

    fn sync(&self) -> io::Result<()> {
        match self.held() {
            Some(mut changes) => {
                changes.waiting.push_back(Change::Sync);
                Ok(())
            }
            None => self.file.sync(),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match self.held() {
            Some(mut changes) => {
                changes.waiting.push_back(Change::Length(len));
                Ok(())
            }
            None => self.file.set_len(len),
        }
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

    async fn file(drive: &Drive) -> Arc<dyn BlockingFile> {
        drive.mount().open("f", OpenMode::Create).await.unwrap().blocking()
    }

    fn read(file: &dyn BlockingFile, at: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut out = vec![1; len];
        file.read_at(at, &mut out).map(|()| out)
    }

    fn release(held: &HeldFile) -> io::Result<Left> {
        loop {
            match held.release_some()? {
                Left::More => {}
                left => return Ok(left),
            }
        }
    }

    /// A reader sees all changes, however many of them have been released, even after the release has failed for good.
    #[tokio::test]
    async fn changes_without_room_are_seen_at_once_and_made_in_order_when_there_is_some() {
        let drive = Drive::new(1);
        let file = file(&drive).await;
        file.write_at(0, b"abc").unwrap();
        let held = HeldFile::new(Arc::clone(&file), 3);
        held.write_at(3, b"def").unwrap();
        held.set_len(8).unwrap();
        held.sync().unwrap();
        held.write_at(1, b"B").unwrap();
        held.write_at(8, b"!").unwrap();
        held.sync().unwrap();
        for (faults, in_file) in [(1, &b"abc"[..]), (3, b"abcdef\0\0"), (2, b"aBcdef\0\0")] {
            drive.clear_faults();
            drive.set_fault(Fault::Full { path: "f".to_owned(), from: faults });
            assert_eq!(release(&held).unwrap(), Left::NoRoom);
            assert_eq!(read(&*file, 0, in_file.len()).unwrap(), in_file);
            assert_eq!((held.len().unwrap(), read(&*held, 0, 9).unwrap()), (9, b"aBcdef\0\0!".to_vec()));
            assert_eq!(read(&*held, 7, 2).unwrap(), b"\0!");
            assert_eq!(read(&*held, 8, 1).unwrap(), b"!");
        }
        drive.clear_faults();
        drive.set_fault(Fault::Sync { path: "f".to_owned(), from: 1 });
        assert!(release(&held).is_err(), "a sync that failed is not tried again");
        assert_eq!((held.len().unwrap(), read(&*held, 0, 9).unwrap()), (9, b"aBcdef\0\0!".to_vec()));
    }

    #[tokio::test]
    async fn changes_are_seen_at_once_and_made_when_released() {
        let file = file(&Drive::new(1)).await;
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
        assert_eq!(release(&held).unwrap(), Left::Nothing);
        assert_eq!(read(&*file, 0, 6).unwrap(), b"abcdX\0");
        held.write_at(0, b"?").unwrap();
        assert_eq!(read(&*file, 0, 1).unwrap(), b"a", "changes are still held back");
        assert!(!held.let_go(), "a change still waits");
        assert_eq!(release(&held).unwrap(), Left::Nothing);
        assert!(held.let_go());
        held.write_at(0, b"!").unwrap();
        assert_eq!(read(&*file, 0, 1).unwrap(), b"!");
        held.hold().unwrap();
        held.write_at(6, b"??").unwrap();
        assert_eq!((file.len().unwrap(), held.len().unwrap()), (6, 8));
    }

    /// When the store is copied, each transaction writes only a few bytes, and most transactions do not sync. Their
    /// bytes must not add up to more than a piece without a sync.
    #[tokio::test]
    async fn what_several_releases_leave_unsynced_is_no_more_than_a_piece() {
        let drive = Drive::new(1);
        let held = HeldFile::new(file(&drive).await, 0);
        // Every sync fails, so the first release that returns an error is the first one that syncs.
        drive.set_fault(Fault::Sync { path: "f".to_owned(), from: 1 });
        for slice in 0..8 {
            held.write_at(slice * (PIECE_BYTES as u64), &[1; PIECE_BYTES / 8]).unwrap();
            assert_eq!(release(&held).is_err(), slice == 7, "slice {slice}");
        }
    }

    /// A sync of the journal may have to wait for a sync of this file.
    #[tokio::test]
    async fn no_sync_has_more_than_a_piece_to_write_and_no_write_passes_a_sync() {
        const PAGE: usize = 4 << 10;
        let drive = Drive::new(1);
        let file = file(&drive).await;
        let held = HeldFile::new(Arc::clone(&file), 0);
        let pages = 3 * PIECE_BYTES / PAGE + 1;
        for page in (0..pages).rev() {
            held.write_at((page * PAGE) as u64, &[7; PAGE]).unwrap();
        }
        held.sync().unwrap();
        held.write_at(0, b"header").unwrap();
        held.sync().unwrap();
        for written in [1, 2, 3].map(|pieces| pieces * PIECE_BYTES).into_iter().chain([pages * PAGE]) {
            assert!(held.has_piece() || written > 3 * PIECE_BYTES);
            assert_eq!(held.release_some().unwrap(), Left::More);
            assert_eq!(file.len().unwrap(), written as u64);
            assert_eq!(read(&*file, 0, 6).unwrap(), [7; 6]);
        }
        assert_eq!(held.release_some().unwrap(), Left::Nothing);
        assert_eq!(read(&*file, 0, 6).unwrap(), b"header");
    }
}

//! Spare segments: a Worker of its own zeroes the next segment in advance, so that commits do not wait for it.
//!
//! A spare is made under another name, filled with zeros and synced step by step, and then renamed; after that its
//! directory is synced. So a file `*.seg` without a header is either all zeros or was hit by a torn first write. A
//! freed segment is first renamed to that other name, durably, so that no half-zeroed file ever has the name of a live
//! segment.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naxos_proto::contracts::UnitError;
use naxos_proto::seams::{Clock, Disk, File, OpenMode, is_full};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::journal::{JOURNAL_DIR, SegmentFiles, SegmentNumber, segment_path};

/// The name of a spare while it is being made.
const SPARE_PATH: &str = "journal/spare.tmp";
/// Zeros are written and synced in steps of this size, so that the committer's syncs do not have to wait for them.
const ZERO_STEP_BYTES: u64 = 1 << 20;
/// The pause between two steps, unless the committer waits for the spare.
const ZERO_STEP_PAUSE: Duration = Duration::from_millis(10);
/// How long to wait before looking again whether a full disk has room.
const ROOM_RETRY: Duration = Duration::from_secs(1);
/// How many freed segments are kept to become the next spare. Any more are removed.
const FREED_KEPT_MAX: usize = 1;
static ZEROS: [u8; 1 << 20] = [0; 1 << 20];

/// A segment full of zeros, under its final name.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) number: SegmentNumber,
    pub(crate) file: Arc<dyn File>,
    pub(crate) len: u64,
}

/// Whether there is room for another segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// A spare is ready or is being made.
    Enough,
    /// The disk has `free` bytes free, and `needed` bytes must be free before a spare is made.
    Full { free: u64, needed: u64 },
    /// No spare will be made any more: the disk failed, or the unit is stopping. The text says which.
    Failed(String),
}

impl Room {
    /// The error for a command that needs another segment.
    pub(crate) fn refusal(self) -> UnitError {
        match self {
            Room::Enough => UnitError::Overloaded,
            Room::Full { free, needed } => UnitError::DiskFull { free, needed },
            Room::Failed(text) => UnitError::Poisoned(text),
        }
    }
}

#[derive(Debug)]
struct State {
    /// Spares that can be taken, in the order of their numbers. Usually one; two if one was put back after the next
    /// was begun.
    ready: VecDeque<Spare>,
    freed: Vec<SegmentNumber>,
    next: SegmentNumber,
    room: Room,
    hurry: bool,
    /// A metadata command waits for a spare, so the reserve may be used for it.
    urgent: bool,
}

/// What a spare is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    /// For cells: the reserve stays free.
    Stores,
    /// For commands without cells: the reserve may be used, because some of these commands, such as trims, make room.
    Metadata,
}

/// Shared by the committer, which takes spares and frees segments, and the Worker that makes spares.
pub(crate) struct Spares {
    state: Mutex<State>,
    work: Notify,
    made: Notify,
    segment_bytes: u64,
    reserve_bytes: u64,
}

impl Spares {
    pub(crate) fn new(segment_bytes: u64, reserve_bytes: u64, ready: Option<Spare>, next: SegmentNumber) -> Self {
        let ready = ready.into_iter().collect();
        let state = State { ready, freed: Vec::new(), next, room: Room::Enough, hurry: false, urgent: false };
        Self { state: Mutex::new(state), work: Notify::new(), made: Notify::new(), segment_bytes, reserve_bytes }
    }

    /// Hands over a segment in which nothing is live.
    pub(crate) fn free(&self, number: SegmentNumber) {
        let mut state = self.state.lock();
        state.freed.push(number);
        if matches!(state.room, Room::Full { .. }) {
            state.room = Room::Enough;
        }
        self.work.notify_one();
    }

    /// Waits for the spare and takes it. The error says why there will be none for now.
    pub(crate) async fn take(&self, taker: For) -> Result<Spare, Room> {
        // The reserve is asked for only once: if it does not suffice, asking again would not change the answer.
        let mut asks_urgently = taker == For::Metadata;
        loop {
            let made = self.made.notified();
            {
                let mut state = self.state.lock();
                if let Some(spare) = state.ready.pop_front() {
                    self.work.notify_one();
                    return Ok(spare);
                }
                if std::mem::take(&mut asks_urgently) && !state.urgent {
                    state.urgent = true;
                    if matches!(state.room, Room::Full { .. }) {
                        state.room = Room::Enough;
                        self.work.notify_one();
                    }
                }
                if state.room != Room::Enough {
                    return Err(state.room.clone());
                }
                state.hurry = true;
            }
            made.await;
        }
    }

    /// Hands back a spare that was taken but not used. The next caller gets this spare, even if another one was made
    /// meanwhile. Otherwise a file of zeros would have a lower number than a segment in use, and a later start would
    /// take this for damage.
    pub(crate) fn put_back(&self, spare: Spare) {
        self.state.lock().ready.push_front(spare);
    }

    /// How many bytes must be free before another spare is made. Fewer are enough if a freed segment is used for it, or
    /// if a metadata command waits for it.
    pub(crate) fn needed_bytes(&self) -> u64 {
        self.segment_bytes + self.reserve_bytes
    }

    /// Whether a freed segment waits to be zeroed. If so, the next spare needs no free space.
    pub(crate) fn has_freed(&self) -> bool {
        !self.state.lock().freed.is_empty()
    }

    fn hurried(&self) -> bool {
        self.state.lock().hurry
    }

    /// The Worker's body: keeps one spare ready and removes freed segments that are not needed.
    pub(crate) async fn run(
        &self,
        disk: Arc<dyn Disk>,
        files: Arc<SegmentFiles>,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) {
        while !stop.is_cancelled() {
            let outcome = self.step(disk.as_ref(), &files, clock.as_ref(), &stop).await;
            let again = match outcome {
                Ok(again) => again,
                Err(e) => {
                    self.failed(disk.as_ref(), e).await;
                    false
                }
            };
            if !again {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    () = self.work.notified() => {}
                    () = clock.sleep(ROOM_RETRY) => {}
                }
            }
        }
        self.state.lock().room = Room::Failed("the unit is stopping".to_owned());
        self.made.notify_waiters();
    }

    /// Does one piece of work. Returns false if there was none, or if it could not be done now.
    async fn step(
        &self,
        disk: &dyn Disk,
        files: &SegmentFiles,
        clock: &dyn Clock,
        stop: &CancellationToken,
    ) -> io::Result<bool> {
        // On a full disk, free space is worth more than the time that a kept file saves.
        let short = disk.free_bytes().await? < self.needed_bytes();
        let kept_max = if short { 0 } else { FREED_KEPT_MAX };
        let (have, freed, number) = {
            let mut state = self.state.lock();
            if matches!(state.room, Room::Failed(_)) {
                return Ok(false);
            }
            let have = !state.ready.is_empty();
            let takes = !have || state.freed.len() > kept_max;
            (have, if takes { state.freed.pop() } else { None }, state.next)
        };
        if have {
            let Some(freed) = freed else { return Ok(false) };
            files.forget(freed);
            disk.remove(&segment_path(freed)).await?;
            return Ok(true);
        }
        if freed.is_none() {
            let urgent = self.state.lock().urgent;
            let needed = if urgent { self.segment_bytes } else { self.needed_bytes() };
            let free = disk.free_bytes().await?;
            if free < needed {
                if self.state.lock().urgent != urgent {
                    // In the meantime a metadata command has begun to wait: look again, with the lower bound.
                    return Ok(true);
                }
                self.report(Room::Full { free, needed });
                return Ok(false);
            }
        }
        if let Some(freed) = freed {
            files.forget(freed);
        }
        let go_on = async || {
            if !self.hurried() {
                clock.sleep(ZERO_STEP_PAUSE).await;
            }
            !stop.is_cancelled()
        };
        let spare = match prepare_segment(disk, freed, number, self.segment_bytes, ZERO_STEP_BYTES, go_on).await {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(false),
            spare => spare?,
        };
        let mut state = self.state.lock();
        state.next = number.next();
        state.ready.push_back(spare);
        state.room = Room::Enough;
        (state.hurry, state.urgent) = (false, false);
        self.made.notify_waiters();
        Ok(true)
    }

    fn report(&self, room: Room) {
        let mut state = self.state.lock();
        (state.room, state.urgent) = (room, false);
        drop(state);
        self.made.notify_waiters();
    }

    async fn failed(&self, disk: &dyn Disk, error: io::Error) {
        if !is_full(&error) {
            return self.report(Room::Failed(format!("making a journal segment: {error}")));
        }
        // Gives back the space that the unfinished spare took. Ignoring an error is safe, because the next attempt
        // would overwrite the file.
        let _ = disk.remove(SPARE_PATH).await;
        let free = disk.free_bytes().await.unwrap_or(0);
        self.report(Room::Full { free, needed: self.needed_bytes() });
    }
}

/// Writes zeros over `range` and syncs.
pub(crate) async fn zero_range(file: &Arc<dyn File>, range: Range<u64>) -> io::Result<()> {
    let mut at = range.start;
    while at < range.end {
        let step = (range.end - at).min(ZERO_STEP_BYTES);
        let zeros = Bytes::from_static(&ZEROS[..usize::try_from(step).expect("a step fits memory")]);
        file.write_at(at, &[zeros]).await?;
        at += step;
    }
    file.sync().await
}

/// Makes segment `number` of zeros, with a sync after each step. Uses the file of the segment `freed`, if there is one.
/// Calls `go_on` between two steps, and returns the error `Interrupted` if that returns false.
pub(crate) async fn prepare_segment(
    disk: &dyn Disk,
    freed: Option<SegmentNumber>,
    number: SegmentNumber,
    segment_bytes: u64,
    step_bytes: u64,
    go_on: impl AsyncFn() -> bool,
) -> io::Result<Spare> {
    if let Some(freed) = freed {
        disk.rename(&segment_path(freed), SPARE_PATH).await?;
        disk.sync_dir(JOURNAL_DIR).await?;
    }
    let file = disk.open(SPARE_PATH, OpenMode::Create).await?;
    let mut at = 0;
    while at < segment_bytes {
        let end = (at + step_bytes).min(segment_bytes);
        zero_range(&file, at..end).await?;
        at = end;
        if at < segment_bytes && !go_on().await {
            return Err(io::ErrorKind::Interrupted.into());
        }
    }
    file.set_len(segment_bytes).await?;
    file.sync().await?;
    let path = segment_path(number);
    disk.rename(SPARE_PATH, &path).await?;
    disk.sync_dir(JOURNAL_DIR).await?;
    Ok(Spare { number, file, len: segment_bytes })
}

#[cfg(test)]
#[path = "spare_tests.rs"]
mod tests;

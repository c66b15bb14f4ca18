//! [`State`]: the state of a simulated disk. [`SharedState`]: the same, shared by the drive and its mounts.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::seams::sim::fault::{Act, Armed};
use crate::seams::sim::image::Image;
use crate::seams::sim::names::{Inode, Names};
use crate::splitmix::SplitMix64;

/// A function that receives one line of text for each crash and each call, except for calls that only read.
pub type Trace = Arc<dyn Fn(&str) + Send + Sync>;

/// How long calls take. Under tokio's paused time they are exact to 1 ms. A call that takes zero time does not yield.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// How long a read takes.
    pub read: Duration,
    /// How long a write or a change of the length takes.
    pub write: Duration,
    /// How long a sync of a file or directory takes.
    pub sync: Duration,
}

/// The free bytes that a disk without a limit reports.
const FREE_UNBOUNDED: u64 = 1 << 50;

pub(crate) struct State {
    /// Number of crashes so far. Handles from before a crash are dead.
    pub(crate) life: u64,
    /// Number of mounts so far.
    pub(crate) mounts: u64,
    pub(crate) names: Names,
    pub(crate) images: BTreeMap<Inode, Image>,
    next_inode: u64,
    random: SplitMix64,
    /// The holder of each lock, as (life, mount), by path.
    pub(crate) locks: BTreeMap<String, (u64, u64)>,
    pub(crate) syncs: u64,
    pub(crate) freeze_at: Option<u64>,
    pub(crate) faults: Vec<Armed>,
    pub(crate) struck: u64,
    pub(crate) capacity: Option<u64>,
    pub(crate) latency: Latency,
    /// The time that synchronous calls would have taken and that [`File::settle`](crate::seams::File::settle) has not
    /// waited for yet.
    pub(crate) owed: Duration,
    pub(crate) trace: Option<Trace>,
}

impl State {
    pub(crate) fn trace(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            trace(&line());
        }
    }

    pub(crate) fn create(&mut self) -> Inode {
        let inode = Inode(self.next_inode);
        self.next_inode += 1;
        self.images.insert(inode, Image::default());
        inode
    }

    pub(crate) fn strike(&mut self, act: Act, path: &str) -> io::Result<()> {
        // Every fault counts the call, even if an earlier fault made it fail.
        let struck: Vec<_> = self.faults.iter_mut().map(|f| f.strike(act, path)).collect();
        let outcome: io::Result<()> = struck.into_iter().collect();
        self.struck += u64::from(outcome.is_err());
        outcome
    }

    /// Frees files that can never have a name again. Unlike a real file system it does not wait until open handles are
    /// closed: their calls return `NotFound`.
    pub(crate) fn collect(&mut self) {
        if self.names.take_shrunk() {
            let reachable = self.names.reachable();
            self.images.retain(|inode, _| reachable.contains(inode));
        }
    }

    /// Sum of the lengths of all files. A removed file does not count, even while a crash could still bring it back.
    pub(crate) fn used(&self) -> u64 {
        self.names.visible().filter_map(|i| self.images.get(&i)).map(|i| i.len() as u64).sum()
    }

    pub(crate) fn free(&self) -> u64 {
        self.capacity.map_or(FREE_UNBOUNDED, |c| c.saturating_sub(self.used()))
    }

    /// Checks that a file may grow to `len`.
    pub(crate) fn check_growth(&self, inode: Inode, len: u64) -> io::Result<()> {
        let have = self.images.get(&inode).map_or(0, |i| i.len() as u64);
        if len.saturating_sub(have) > self.free() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    /// Counts a sync. Returns false if the drive crashed at it.
    pub(crate) fn count_sync(&mut self) -> bool {
        self.syncs += 1;
        if self.freeze_at.is_some_and(|k| self.syncs >= k) {
            self.crash();
            return false;
        }
        true
    }

    /// The next part of the time that is owed, at most `most`. It is not owed any more.
    pub(crate) fn pay(&mut self, most: Duration) -> Duration {
        let piece = self.owed.min(most);
        self.owed -= piece;
        piece
    }

    pub(crate) fn crash(&mut self) {
        self.life += 1;
        self.freeze_at = None;
        self.owed = Duration::ZERO;
        let live = self.names.crash(&mut self.random);
        // Files without a name are gone. The others are visited in the order of their inodes, so that the seed decides
        // the result.
        self.images.retain(|inode, _| live.contains(inode));
        for image in self.images.values_mut() {
            image.crash(&mut self.random);
        }
        self.locks.clear();
        self.trace(|| format!("crash life={}", self.life));
    }
}

/// The state behind its lock. Clones share it.
#[derive(Clone)]
pub(crate) struct SharedState(Arc<Mutex<State>>);

impl SharedState {
    /// The state of an empty disk. The seed decides what survives its crashes.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            life: 0,
            mounts: 0,
            names: Names::default(),
            images: BTreeMap::new(),
            next_inode: 1,
            random: SplitMix64::new(seed),
            locks: BTreeMap::new(),
            syncs: 0,
            freeze_at: None,
            faults: Vec::new(),
            struck: 0,
            capacity: None,
            latency: Latency::default(),
            owed: Duration::ZERO,
            trace: None,
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// The state, or `None` if the drive has crashed since `life`.
    pub(crate) fn alive(&self, life: u64) -> Option<MutexGuard<'_, State>> {
        let state = self.0.lock();
        (state.life == life).then_some(state)
    }

    /// Waits for `time`. Never returns if the drive crashes before the end.
    pub(crate) async fn take(&self, life: u64, time: Duration) {
        if !time.is_zero() {
            #[expect(clippy::disallowed_methods, reason = "the simulated disk is part of the world, not of a host")]
            tokio::time::sleep(time).await;
        }
        if self.alive(life).is_none() {
            std::future::pending::<()>().await;
        }
    }
}

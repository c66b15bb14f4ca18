//! [`Drive`]: a simulated disk, kept by the test, which outlives the hosts that mount it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::seams::Disk;
use crate::seams::sim::drive_disk::MountedDisk;
use crate::seams::sim::entropy::Generator;
use crate::seams::sim::fault::{Act, Armed, Fault};
use crate::seams::sim::image::Image;
use crate::seams::sim::names::{Inode, Names};

/// Hears of each call and each crash, one line each.
pub type Trace = Arc<dyn Fn(&str) + Send + Sync>;

/// How long calls take. Under tokio's paused time the grain is 1 ms; zero does not yield.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// A read.
    pub read: Duration,
    /// A write.
    pub write: Duration,
    /// A sync of a file or directory.
    pub sync: Duration,
}

/// What a disk that nobody bounded says is free.
const FREE_UNBOUNDED: u64 = 1 << 50;

pub(crate) struct State {
    /// Raised by each crash: handles of an earlier life are dead.
    pub(crate) life: u64,
    /// Raised by each mount.
    pub(crate) mounts: u64,
    pub(crate) names: Names,
    pub(crate) images: BTreeMap<Inode, Image>,
    next_inode: u64,
    random: Generator,
    /// Path to (life, mount) of the holder.
    pub(crate) locks: BTreeMap<String, (u64, u64)>,
    syncs: u64,
    freeze_at: Option<u64>,
    faults: Vec<Armed>,
    struck: u64,
    capacity: Option<u64>,
    pub(crate) latency: Latency,
    /// What synchronous calls owe.
    pub(crate) owed: Duration,
    trace: Option<Trace>,
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
        // All faults count, also behind one that strikes.
        let struck: Vec<_> = self.faults.iter_mut().map(|f| f.strike(act, path)).collect();
        let outcome: io::Result<()> = struck.into_iter().collect();
        self.struck += u64::from(outcome.is_err());
        outcome
    }

    /// Frees files that have lost their last name for good. Unlike a real file system it does not wait for open
    /// handles: their calls answer `NotFound`.
    pub(crate) fn collect(&mut self) {
        if self.names.take_shrunk() {
            let reachable = self.names.reachable();
            self.images.retain(|inode, _| reachable.contains(inode));
        }
    }

    /// A removed file takes no room, also while a crash may still bring it back.
    fn used(&self) -> u64 {
        self.names.visible().filter_map(|i| self.images.get(&i)).map(|i| i.len() as u64).sum()
    }

    pub(crate) fn free(&self) -> u64 {
        self.capacity.map_or(FREE_UNBOUNDED, |c| c.saturating_sub(self.used()))
    }

    /// Whether a file may grow to `len`.
    pub(crate) fn check_growth(&self, inode: Inode, len: u64) -> io::Result<()> {
        let have = self.images.get(&inode).map_or(0, |i| i.len() as u64);
        if len.saturating_sub(have) > self.free() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    /// A sync begins; false when the drive froze at it.
    pub(crate) fn count_sync(&mut self) -> bool {
        self.syncs += 1;
        if self.freeze_at.is_some_and(|k| self.syncs >= k) {
            self.crash();
            return false;
        }
        true
    }

    pub(crate) fn crash(&mut self) {
        self.life += 1;
        self.freeze_at = None;
        self.owed = Duration::ZERO;
        let live = self.names.crash(&mut self.random);
        // Files without a name are gone; inodes are visited in order, so the seed decides.
        self.images.retain(|inode, _| live.contains(inode));
        for image in self.images.values_mut() {
            image.crash(&mut self.random);
        }
        self.locks.clear();
        self.trace(|| format!("crash life={}", self.life));
    }
}

/// A simulated disk. Clones share it.
///
/// A crash decides at once what survives: per 512-byte sector that was not synced kept, torn or lost; of the directory
/// operations a random prefix. Handles of the life before are dead: their asynchronous calls never return, their
/// synchronous ones answer an error. Crash the drive before its host, or destructors sync.
#[derive(Clone)]
pub struct Drive(pub(crate) Arc<Mutex<State>>);

impl Drive {
    /// An empty disk; the seed decides what survives its crashes.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            life: 0,
            mounts: 0,
            names: Names::default(),
            images: BTreeMap::new(),
            next_inode: 1,
            random: Generator::new(seed),
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

    /// A handle for one host.
    pub fn mount(&self) -> Arc<dyn Disk> {
        let mut state = self.0.lock();
        state.mounts += 1;
        Arc::new(MountedDisk { drive: self.clone(), life: state.life, mount: state.mounts })
    }

    /// Power is cut.
    pub fn crash(&self) {
        self.0.lock().crash();
    }

    /// How often it crashed. A driver that sees it rise (after [`Self::freeze_at_sync`]) crashes the host.
    pub fn life(&self) -> u64 {
        self.0.lock().life
    }

    /// Crashes by itself when the `k`-th sync from now on begins.
    pub fn freeze_at_sync(&self, k: u64) {
        let mut state = self.0.lock();
        state.freeze_at = Some(state.syncs + k);
    }

    /// Syncs of files and directories so far.
    pub fn syncs(&self) -> u64 {
        self.0.lock().syncs
    }

    /// Sets a fault beside those that are set.
    pub fn set_fault(&self, fault: Fault) {
        self.0.lock().faults.push(Armed::new(fault));
    }

    /// How many calls got an error from a fault so far.
    pub fn struck(&self) -> u64 {
        self.0.lock().struck
    }

    /// Sum of the files' lengths.
    pub fn used(&self) -> u64 {
        self.0.lock().used()
    }

    /// Takes all faults away.
    pub fn clear_faults(&self) {
        self.0.lock().faults.clear();
    }

    /// Bounds the sum of the files' lengths.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.0.lock().capacity = bytes;
    }

    /// How long calls take from now on.
    pub fn set_latency(&self, latency: Latency) {
        self.0.lock().latency = latency;
    }

    /// Who hears of each call.
    pub fn set_trace(&self, trace: Option<Trace>) {
        self.0.lock().trace = trace;
    }

    /// Paths of all files, ascending.
    pub fn paths(&self) -> Vec<String> {
        self.0.lock().names.paths()
    }

    /// What programs see in a file.
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.0.lock();
        Some(state.images[&state.names.get(path)?].content().to_vec())
    }

    /// Damages a file; the damage is durable. False when there is none.
    pub fn damage(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut state = self.0.lock();
        let image = state.names.get(path).and_then(|inode| state.images.get_mut(&inode));
        image.map(|image| image.damage(change)).is_some()
    }

    /// A disk with the same files, all durable; nothing else is carried over.
    pub fn copy(&self, seed: u64) -> Drive {
        let copy = Drive::new(seed);
        let (from, mut to) = (self.0.lock(), copy.0.lock());
        for path in from.names.paths() {
            if let Some((dir, _)) = path.rsplit_once('/') {
                to.names.make_dir(dir);
            }
            let inode = to.create();
            let linked = to.names.link(&path, inode);
            linked.expect("its directory was just made");
            let content = from.names.get(&path).and_then(|i| from.images.get(&i)).map(|i| i.content().to_vec());
            let image = to.images.get_mut(&inode).expect("it was just made");
            image.damage(|c| *c = content.unwrap_or_default());
        }
        to.names.sync_all();
        drop(to);
        copy
    }
}

impl std::fmt::Debug for Drive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Drive").field("life", &state.life).field("files", &state.names.paths()).finish()
    }
}

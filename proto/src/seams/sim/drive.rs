//! [`Drive`]: a simulated disk, kept by the test, which outlives the hosts that mount it.

use std::sync::Arc;

use crate::seams::Disk;
use crate::seams::sim::drive_disk::MountedDisk;
use crate::seams::sim::drive_state::{Latency, SharedState, Trace};
use crate::seams::sim::fault::{Armed, Fault};

/// A simulated disk. Clones share it.
///
/// A crash decides at once what survives: per 512-byte sector that was not synced kept, torn or lost; of the directory
/// operations a random prefix. Handles of the life before are dead: their asynchronous calls never return, their
/// synchronous ones answer an error. Crash the drive before its host, or destructors sync.
#[derive(Clone)]
pub struct Drive(SharedState);

impl Drive {
    /// An empty disk; the seed decides what survives its crashes.
    pub fn new(seed: u64) -> Self {
        Self(SharedState::new(seed))
    }

    /// A handle for one host.
    pub fn mount(&self) -> Arc<dyn Disk> {
        let mut state = self.0.lock();
        state.mounts += 1;
        Arc::new(MountedDisk { drive: self.0.clone(), life: state.life, mount: state.mounts })
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

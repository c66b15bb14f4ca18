//! [`Drive`]: a simulated disk. The test keeps it, so it outlives the hosts that mount it.

use std::sync::Arc;
use std::time::Duration;

use crate::seams::Disk;
use crate::seams::sim::drive_disk::MountedDisk;
use crate::seams::sim::drive_state::{Latency, SharedState, Trace};
use crate::seams::sim::fault::{Armed, Fault};
use crate::seams::sim::names::Names;

/// A simulated disk. All clones are the same disk.
///
/// A crash decides at once what survives. Each 512-byte sector that was not synced is kept, torn or lost. Of the
/// directory operations that were not synced a random prefix is kept. Handles from before the crash are dead: their
/// asynchronous calls never return, and their synchronous calls return an error. Crash the drive before its host;
/// otherwise destructors of the host may still sync.
#[derive(Clone)]
pub struct Drive(SharedState);

impl Drive {
    /// An empty disk. The seed decides what survives its crashes.
    pub fn new(seed: u64) -> Self {
        Self(SharedState::new(seed))
    }

    /// A handle for one host.
    pub fn mount(&self) -> Arc<dyn Disk> {
        let mut state = self.0.lock();
        state.mounts += 1;
        Arc::new(MountedDisk { drive: self.0.clone(), life: state.life, mount: state.mounts })
    }

    /// Cuts the power.
    pub fn crash(&self) {
        self.0.lock().crash();
    }

    /// Replaces the disk by an empty one. Handles from before are dead, as after [`Self::crash`].
    pub fn wipe(&self) {
        let mut state = self.0.lock();
        state.crash();
        state.names = Names::default();
        state.images.clear();
    }

    /// How often the drive has crashed. A test driver that sees this rise (after [`Self::freeze_at_sync`]) crashes the
    /// host.
    pub fn life(&self) -> u64 {
        self.0.lock().life
    }

    /// Makes the drive crash by itself when the `k`-th sync from now on begins.
    pub fn freeze_at_sync(&self, k: u64) {
        let mut state = self.0.lock();
        state.freeze_at = Some(state.syncs + k);
    }

    /// Number of syncs of files and directories so far.
    pub fn syncs(&self) -> u64 {
        self.0.lock().syncs
    }

    /// Adds a fault to those that are set.
    pub fn set_fault(&self, fault: Fault) {
        self.0.lock().faults.push(Armed::new(fault));
    }

    /// How many calls got an error from a fault so far.
    pub fn struck(&self) -> u64 {
        self.0.lock().struck
    }

    /// Sum of the lengths of all files, in bytes.
    pub fn used(&self) -> u64 {
        self.0.lock().used()
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.0.lock().faults.clear();
    }

    /// Limits the sum of the lengths of all files, in bytes. `None` for no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.0.lock().capacity = bytes;
    }

    /// Sets how long calls take from now on. If a sync takes less time than before, a disk that hung works again: then
    /// [`File::settle`](crate::seams::File::settle) no longer waits for the time of the synchronous calls so far.
    pub fn set_latency(&self, latency: Latency) {
        let mut state = self.0.lock();
        if latency.sync < state.latency.sync {
            state.owed = Duration::ZERO;
        }
        state.latency = latency;
    }

    /// Sets the function that receives the trace of this drive. `None` for no trace.
    pub fn set_trace(&self, trace: Option<Trace>) {
        self.0.lock().trace = trace;
    }

    /// Paths of all files, ascending.
    pub fn paths(&self) -> Vec<String> {
        self.0.lock().names.paths()
    }

    /// The content of a file as programs see it.
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.0.lock();
        Some(state.images[&state.names.get(path)?].content().to_vec())
    }

    /// Damages a file, durably. Returns false if there is no such file.
    pub fn damage(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut state = self.0.lock();
        let image = state.names.get(path).and_then(|inode| state.images.get_mut(&inode));
        image.map(|image| image.damage(change)).is_some()
    }

    /// A disk with the same files, all durable. Nothing else is copied.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::OpenMode;

    #[tokio::test(start_paused = true)]
    async fn a_file_settles_soon_after_a_disk_that_hung_works_again() {
        let drive = Drive::new(1);
        let file = drive.mount().open("file", OpenMode::Create).await.unwrap();
        drive.set_latency(Latency { sync: Duration::from_secs(3), ..Latency::default() });
        (0..4).for_each(|_| file.blocking().sync().unwrap());
        let begun = tokio::time::Instant::now();
        let repair = async {
            #[expect(clippy::disallowed_methods, reason = "the repair is part of the world, not of a host")]
            tokio::time::sleep(Duration::from_secs(1)).await;
            drive.set_latency(Latency::default());
        };
        tokio::join!(file.settle(), repair);
        assert!(begun.elapsed() < Duration::from_millis(1_200), "{:?}", begun.elapsed());
    }
}

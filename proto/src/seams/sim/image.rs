//! [`Image`]: one file, as programs see it and as it is on the device.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;

use crate::splitmix::SplitMix64;

/// Size of a sector. In a crash, an unsynced sector is kept, lost or torn.
const SECTOR_BYTES: usize = 512;

/// The content that the current sync will make durable.
#[derive(Debug)]
pub(crate) struct Syncing {
    sectors: BTreeMap<usize, Vec<u8>>,
    len: usize,
}

/// A file. `cache` is what reads see; `durable` is what survives a power cut for certain.
#[derive(Debug, Default)]
pub(crate) struct Image {
    cache: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors of `cache` that are not durable.
    dirty: BTreeSet<usize>,
    /// Sectors of a sync that has begun and not ended. Like the dirty ones, they may or may not survive a crash.
    in_flight: BTreeSet<usize>,
    /// Sectors that a failed sync left behind. They are not durable, and no later sync writes them unless they are
    /// written again: Linux marks pages as clean even if writing them back failed.
    forsaken: BTreeSet<usize>,
}

fn sector(content: &[u8], n: usize) -> Vec<u8> {
    let mut out = vec![0; SECTOR_BYTES];
    let from = (n * SECTOR_BYTES).min(content.len());
    let to = (from + SECTOR_BYTES).min(content.len());
    out[..to - from].copy_from_slice(&content[from..to]);
    out
}

/// Writes `bytes` at sector `n`, as far as that lies within `content`.
fn put(content: &mut [u8], n: usize, bytes: &[u8]) {
    let from = (n * SECTOR_BYTES).min(content.len());
    let to = (from + bytes.len()).min(content.len());
    content[from..to].copy_from_slice(&bytes[..to - from]);
}

impl Image {
    pub(crate) fn len(&self) -> usize {
        self.cache.len()
    }

    pub(crate) fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(at).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let found = from.checked_add(out.len()).and_then(|to| self.cache.get(from..to));
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    pub(crate) fn write(&mut self, at: u64, data: &[u8]) {
        let from = usize::try_from(at).expect("a simulated file fits memory");
        let to = from + data.len();
        if to > self.cache.len() {
            self.cache.resize(to, 0);
        }
        self.cache[from..to].copy_from_slice(data);
        self.soil(from / SECTOR_BYTES..to.div_ceil(SECTOR_BYTES));
    }

    fn soil(&mut self, sectors: Range<usize>) {
        self.forsaken.retain(|n| !sectors.contains(n));
        self.dirty.extend(sectors);
    }

    pub(crate) fn set_len(&mut self, len: u64) {
        let len = usize::try_from(len).expect("a simulated file fits memory");
        if len < self.cache.len() {
            // The bytes that were cut off are zero if the file grows again.
            self.soil(len / SECTOR_BYTES..self.cache.len().div_ceil(SECTOR_BYTES));
        }
        self.cache.resize(len, 0);
    }

    /// Begins a sync of all sectors that are dirty now. It includes the sectors of an earlier sync that has not ended,
    /// because the caller of that sync may be gone and then never ends it.
    pub(crate) fn begin_sync(&mut self) -> Syncing {
        self.in_flight.append(&mut self.dirty);
        let sectors = self.in_flight.iter().map(|n| (*n, sector(&self.cache, *n))).collect();
        Syncing { sectors, len: self.cache.len() }
    }

    /// Ends a sync successfully.
    pub(crate) fn end_sync(&mut self, syncing: &Syncing) {
        self.durable.resize(syncing.len, 0);
        for (n, bytes) in &syncing.sectors {
            put(&mut self.durable, *n, bytes);
            self.in_flight.remove(n);
        }
    }

    /// Fails a sync: nobody knows which of its sectors reached the device, and the next sync will not write them.
    pub(crate) fn fail_sync(&mut self, syncing: &Syncing) {
        for n in syncing.sectors.keys() {
            self.in_flight.remove(n);
            if !self.dirty.contains(n) {
                self.forsaken.insert(*n);
            }
        }
    }

    /// Cuts the power: each sector that is not durable is kept, torn or lost. The length is the old or the new one.
    pub(crate) fn crash(&mut self, random: &mut SplitMix64) {
        let unsure: BTreeSet<usize> =
            [&self.dirty, &self.in_flight, &self.forsaken].into_iter().flatten().copied().collect();
        if self.cache.len() != self.durable.len() && random.below(2) == 0 {
            self.durable.resize(self.cache.len(), 0);
        }
        for n in unsure {
            let new = sector(&self.cache, n);
            match random.below(3) {
                0 => {}
                1 => put(&mut self.durable, n, &new),
                _ => {
                    let torn = usize::try_from(random.below(SECTOR_BYTES as u64)).expect("a sector is small");
                    put(&mut self.durable, n, &new[..torn]);
                }
            }
        }
        self.cache = self.durable.clone();
        self.dirty.clear();
        self.in_flight.clear();
        self.forsaken.clear();
    }

    /// Lets a test damage the content that programs see. The damage is durable.
    pub(crate) fn damage(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.cache);
        self.durable.clone_from(&self.cache);
        self.dirty.clear();
        self.forsaken.clear();
    }

    pub(crate) fn content(&self) -> &[u8] {
        &self.cache
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_stays_and_the_rest_is_kept_lost_or_torn() {
        let (mut kept, mut lost, mut torn) = (0, 0, 0);
        for seed in 0..300 {
            let mut image = Image::default();
            image.write(0, &[1; 512]);
            let syncing = image.begin_sync();
            image.end_sync(&syncing);
            image.write(512, &[2; 512]);
            image.crash(&mut SplitMix64::new(seed));
            assert_eq!(image.content()[..512], [1; 512]);
            match &image.content()[512..] {
                [] => lost += 1,
                rest if rest.iter().all(|b| *b == 2) => kept += 1,
                rest if rest.iter().all(|b| *b == 0) => lost += 1,
                _ => torn += 1,
            }
        }
        assert!(kept > 20 && lost > 20 && torn > 20, "{kept} {lost} {torn}");
    }

    #[test]
    fn a_sync_covers_what_an_abandoned_one_had_begun_with() {
        for seed in 0..20 {
            let mut image = Image::default();
            image.write(0, &[1; 512]);
            let _abandoned = image.begin_sync();
            let syncing = image.begin_sync();
            image.end_sync(&syncing);
            image.crash(&mut SplitMix64::new(seed));
            assert_eq!(image.content(), [1; 512]);
        }
    }

    #[test]
    fn what_a_failed_sync_left_is_read_and_not_durable_until_it_is_written_again() {
        for is_written_again in [false, true] {
            let mut survived = 0;
            for seed in 0..50 {
                let mut image = Image::default();
                image.write(0, &[1; 1024]);
                let failed = image.begin_sync();
                image.fail_sync(&failed);
                image.write(512, &[1; 512]);
                if is_written_again {
                    image.write(0, &[1; 512]);
                }
                let syncing = image.begin_sync();
                image.end_sync(&syncing);
                assert_eq!(image.content(), [1; 1024]);
                image.crash(&mut SplitMix64::new(seed));
                assert_eq!(image.content()[512..], [1; 512]);
                survived += usize::from(image.content()[..512] == [1; 512]);
            }
            assert!(if is_written_again { survived == 50 } else { (5..45).contains(&survived) }, "{survived}");
        }
    }

    #[test]
    fn a_sync_covers_what_was_dirty_when_it_began() {
        let mut image = Image::default();
        image.write(0, &[1; 512]);
        let syncing = image.begin_sync();
        image.write(0, &[9; 512]);
        image.end_sync(&syncing);
        let mut seen = BTreeSet::new();
        for seed in 0..50 {
            let mut copy = Image { cache: image.cache.clone(), durable: image.durable.clone(), ..Image::default() };
            copy.dirty.clone_from(&image.dirty);
            copy.crash(&mut SplitMix64::new(seed));
            seen.insert(copy.content()[0]);
        }
        assert_eq!(seen, BTreeSet::from([1, 9]));
    }
}

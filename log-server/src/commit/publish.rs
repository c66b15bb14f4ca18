//! What happens after the sync: readers see the batch, and segments without a live cell are freed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::commit::committer::Committer;
use crate::commit::draft_batch::DraftBatch;
use crate::journal::{Index, Place, SegmentNumber};
use crate::serve::{CACHED_CELL_BYTES, DiskUsage, Published};

type Live = BTreeMap<SegmentNumber, u64>;

fn release(live: &mut Live, place: Place) {
    let count = live.get_mut(&place.segment).expect("a place lies in a used segment");
    *count = count.checked_sub(1).expect("a segment frees no more cells than it has");
}

impl Committer {
    /// Publishes a durable batch.
    pub(crate) fn publish(&mut self, batch: &mut DraftBatch, places: &[Place]) {
        for id in &batch.touched {
            if let Ok(loglet) = self.catalog.loglet(*id)
                && self.roster.get(*id).is_err()
            {
                self.roster.insert(Arc::new(Published::new(*id, loglet, Index::default())));
            }
        }
        self.add_cells(batch, places);
        for id in &batch.touched {
            if let (Ok(loglet), Ok(published)) = (self.catalog.loglet(*id), self.roster.get(*id)) {
                published.publish(loglet, |place| release(&mut self.live, place));
            }
        }
        if batch.drops {
            for gone in self.roster.retain(&self.catalog) {
                gone.drop_all(|place| release(&mut self.live, place));
            }
        }
        self.bound_cache();
        self.free_segments();
    }

    /// Adds the batch's cells to their loglets. Takes a loglet's lock once for all its records that follow each other
    /// in the batch. A cell that the same batch trimmed or dropped is left out.
    fn add_cells(&mut self, batch: &mut DraftBatch, places: &[Place]) {
        let drafts = &mut batch.drafts;
        if drafts.iter().any(|d| d.kind.is_cell()) {
            self.status.stores_go();
        }
        let mut from = 0;
        while from < drafts.len() {
            let id = drafts[from].loglet;
            let run = drafts[from..].iter().take_while(|d| d.loglet == id).count();
            let range = from..from + run;
            from = range.end;
            let (Ok(loglet), Ok(published)) = (self.catalog.loglet(id), self.roster.get(id)) else { continue };
            let trim_point = loglet.trim_point;
            let cells = drafts[range.clone()].iter_mut().zip(&places[range]);
            let cells = cells.filter(|(d, _)| d.kind.is_cell() && d.offset >= trim_point);
            let mut cached = self.roster.cached_bytes();
            let mut replaced = Vec::new();
            published.add(
                cells.map(|(draft, place)| {
                    *self.live.entry(place.segment).or_default() += 1;
                    let body = draft.kind.has_value().then(|| std::mem::take(&mut draft.body));
                    cached += CACHED_CELL_BYTES + body.as_ref().map_or(0, bytes::Bytes::len);
                    (draft.offset, *place, body)
                }),
                |damaged| replaced.push(damaged),
            );
            replaced.into_iter().for_each(|place| release(&mut self.live, place));
            self.roster.set_cached_bytes(cached);
        }
    }

    /// Keeps the recent cells of all loglets within the bound. The oldest loglets lose their cells first.
    fn bound_cache(&mut self) {
        if self.roster.cached_bytes() <= self.cache_bytes_max {
            return;
        }
        let mut total = 0;
        for loglet in self.roster.all().iter().rev() {
            let left = self.cache_bytes_max.saturating_sub(total);
            loglet.shrink_cache(left);
            total += loglet.cached_bytes();
        }
        self.roster.set_cached_bytes(total);
    }

    /// Hands back used segments in which nothing is live, and reports the disk usage. Their metadata is not lost: the
    /// preamble of the current segment repeats it and is durable.
    pub(crate) fn free_segments(&mut self) {
        let current = self.journal.segment();
        let (spares, before) = (&self.spares, self.live.len());
        self.live.retain(|number, live| {
            let keep = *live > 0 || *number == current;
            if !keep {
                spares.free(*number);
            }
            keep
        });
        if before != self.live.len() {
            self.status.stores_go();
        }
        if before != self.live.len() || self.status.usage().segments != before as u64 {
            let segments = self.live.len() as u64;
            self.status.set_usage(DiskUsage { segments, bytes: segments * self.journal.segment_bytes() });
        }
    }
}

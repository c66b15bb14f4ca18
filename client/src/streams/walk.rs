//! [`Walk`]: finds the entries of a stream from the newest one backwards, by the pointers in their headers.

use std::collections::VecDeque;
use std::sync::Arc;

use naxos_proto::ids::{Lsn, StreamId};
use naxos_proto::streams::{BACK_POINTERS_MAX, BackPointers, Earlier};

use super::entry::Entry;
use super::found_cache::FoundCache;
use super::search::{Found, search};
use crate::shared_log::{LogError, SharedLog};

/// The entries of one stream of a log, from the newest one backwards.
#[derive(Clone)]
pub(super) struct Walk {
    pub(super) log: Arc<dyn SharedLog>,
    pub(super) stream: StreamId,
    pub(super) found: Arc<FoundCache>,
}

/// The lowest of the positions that are added in descending order, ascending; at most `max`.
struct Lowest {
    positions: VecDeque<Lsn>,
    /// Below this position, all that were added are in `positions`.
    complete_below: Lsn,
    max: usize,
}

impl Lowest {
    fn add(&mut self, position: Lsn) {
        self.positions.push_front(position);
        if self.positions.len() > self.max {
            self.complete_below = self.positions.pop_back().expect("it is too long");
        }
    }
}

impl Walk {
    /// The entry at `position`, which is below a checked tail. `None` if that is not an entry of the stream.
    pub(super) async fn entry(&self, position: Lsn) -> Result<Option<Entry>, LogError> {
        let (records, _) = self.log.read(position, position.next(), usize::MAX).await?;
        let entry = records.into_iter().next().map(Entry::of).transpose()?.flatten();
        Ok(entry.filter(|entry| entry.is_in(self.stream)))
    }

    /// The positions at or above `down_to` that may have an entry of the stream, ascending. It may contain positions that
    /// have none, but misses no entry. `newest` says where the newest entries below `below` are. At most `max` positions
    /// are returned, the lowest ones; the second value is the position below which nothing is missing.
    pub(super) async fn positions(
        &self,
        newest: BackPointers,
        down_to: Lsn,
        below: Lsn,
        max: usize,
    ) -> Result<(VecDeque<Lsn>, Lsn), LogError> {
        let mut lowest = Lowest { positions: VecDeque::new(), complete_below: below, max };
        let mut pointers = newest;
        let mut below = below;
        loop {
            let known = pointers.positions.iter().copied().filter(|position| *position < below);
            let group: Vec<Lsn> = known.take_while(|position| *position >= down_to).collect();
            group.iter().for_each(|position| lowest.add(*position));
            let oldest = group.last().copied().unwrap_or(below);
            let unknown_below = match pointers.earlier {
                Earlier::Nothing => return Ok((lowest.positions, lowest.complete_below)),
                Earlier::Below(position) => position.min(oldest),
            };
            if unknown_below <= down_to || pointers.positions.last().is_some_and(|position| *position < down_to) {
                return Ok((lowest.positions, lowest.complete_below));
            }
            if let Some(earlier) = self.before(&pointers, &group).await? {
                (pointers, below) = (earlier, oldest);
                continue;
            }
            let more = self.search(down_to, unknown_below).await?;
            let Some(first) = more.first() else { return Ok((lowest.positions, lowest.complete_below)) };
            (pointers, below) = (first.before.clone(), first.position);
            more.iter().rev().for_each(|entry| lowest.add(entry.position));
        }
    }

    /// The newest entry of the stream below `below`, or `None` if there is none. `newest` says where the newest entries
    /// below `limit` are, which is at most a checked tail. An error if the log is trimmed up to some position before one is
    /// found.
    pub(super) async fn newest_below(
        &self,
        newest: BackPointers,
        limit: Lsn,
        below: Lsn,
    ) -> Result<Option<Entry>, LogError> {
        let (mut pointers, mut limit, below) = (newest, limit, below.min(limit));
        loop {
            let group: Vec<_> = pointers.positions.iter().copied().filter(|position| *position < limit).collect();
            for position in group.iter().filter(|position| **position < below) {
                if let Some(entry) = self.entry(*position).await? {
                    return Ok(Some(entry));
                }
            }
            let oldest = group.last().copied().unwrap_or(below);
            let unknown_below = match pointers.earlier {
                Earlier::Nothing => return Ok(None),
                Earlier::Below(position) => position.min(oldest).min(below),
            };
            match self.before(&pointers, &group).await? {
                Some(earlier) => (pointers, limit) = (earlier, oldest),
                None => {
                    let found = self.search(Lsn::ZERO, unknown_below).await?;
                    let Some(Found { position, .. }) = found.last() else { return Ok(None) };
                    return self.entry(*position).await;
                }
            }
        }
    }

    /// Entries of the stream below `below`, ascending: the newest one, and perhaps some before it, but none is missing
    /// between them. Empty if there are none from `down_to` on.
    async fn search(&self, down_to: Lsn, below: Lsn) -> Result<Vec<Found>, LogError> {
        if let Some(newest) = self.found.newest_below(self.stream, below) {
            return Ok(Some(newest).filter(|found| found.position >= down_to).into_iter().collect());
        }
        let found = search(&*self.log, self.stream, down_to, below).await?;
        if let Some(newest) = found.last() {
            self.found.note(self.stream, below, newest.clone());
        }
        Ok(found)
    }

    /// Where the entries before those of a group are. `pointers` led to the group, whose positions descend. The header of the
    /// lowest position that has an entry of the stream says it. `None` if nothing says more than `pointers` does.
    async fn before(&self, pointers: &BackPointers, group: &[Lsn]) -> Result<Option<BackPointers>, LogError> {
        if pointers.positions.len() < BACK_POINTERS_MAX {
            return Ok(None);
        }
        for position in group.iter().rev() {
            if let Some(entry) = self.entry(*position).await? {
                return Ok(Some(entry.before(self.stream)));
            }
        }
        Ok(None)
    }
}

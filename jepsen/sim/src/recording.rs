//! [`Recording`]: rows that note what a command changes.

use std::collections::BTreeMap;

use bytes::Bytes;
use naxos::RowSpace;

/// Rows with the changes of one command above them, in the order in which they were made.
pub(crate) struct Recording<'a> {
    below: &'a dyn RowSpace,
    now: BTreeMap<Bytes, Option<Bytes>>,
    pub(crate) changes: Vec<(Bytes, Option<Bytes>)>,
}

impl<'a> Recording<'a> {
    pub(crate) fn over(below: &'a dyn RowSpace) -> Self {
        Self { below, now: BTreeMap::new(), changes: Vec::new() }
    }
}

impl RowSpace for Recording<'_> {
    fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.now.get(key).cloned().unwrap_or_else(|| self.below.get(key))
    }

    fn range(&self, from: &[u8], below: Option<&[u8]>, limit: usize) -> Vec<(Bytes, Bytes)> {
        // Each row that was deleted may take the place of one that is asked for.
        let mut rows: BTreeMap<Bytes, Bytes> =
            self.below.range(from, below, limit.saturating_add(self.now.len())).into_iter().collect();
        let is_in = |key: &[u8]| key >= from && below.is_none_or(|below| key < below);
        for (key, value) in self.now.iter().filter(|(key, _)| is_in(key)) {
            rows.set(key, value.clone());
        }
        rows.into_iter().take(limit).collect()
    }

    fn set(&mut self, key: &[u8], value: Option<Bytes>) {
        let key = Bytes::copy_from_slice(key);
        self.changes.push((key.clone(), value.clone()));
        self.now.insert(key, value);
    }
}

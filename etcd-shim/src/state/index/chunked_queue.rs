//! [`ChunkedQueue`]: a queue that never moves its items.
//!
//! A `VecDeque` of a million items copies them all when it has to grow, into memory that the kernel has to clear first.
//! This takes about 100 ms. During that time the put that causes it waits, and all puts that are queued behind it wait
//! too.

use std::collections::VecDeque;

/// The number of items in a chunk.
const CHUNK_ITEMS: usize = 2_048;

/// A queue in chunks of [`CHUNK_ITEMS`]. No chunk is empty.
#[derive(Debug)]
pub(crate) struct ChunkedQueue<T> {
    chunks: VecDeque<VecDeque<T>>,
}

impl<T> Default for ChunkedQueue<T> {
    fn default() -> Self {
        Self { chunks: VecDeque::new() }
    }
}

impl<T> ChunkedQueue<T> {
    pub(crate) fn push_back(&mut self, item: T) {
        match self.chunks.back_mut() {
            Some(last) if last.len() < last.capacity() => last.push_back(item),
            _ => {
                let mut chunk = VecDeque::with_capacity(CHUNK_ITEMS);
                chunk.push_back(item);
                self.chunks.push_back(chunk);
            }
        }
    }

    /// Takes the first item if `is_wanted` holds for it.
    pub(crate) fn pop_front_if(&mut self, is_wanted: impl FnOnce(&mut T) -> bool) -> Option<T> {
        let first = self.chunks.front_mut()?;
        let item = first.pop_front_if(is_wanted)?;
        if first.is_empty() {
            self.chunks.pop_front();
        }
        Some(item)
    }

    /// Skips the items at the front for which `is_before` holds, and returns the others.
    pub(crate) fn behind(&self, is_before: impl Fn(&T) -> bool) -> impl Iterator<Item = &T> {
        let chunk = self.chunks.partition_point(|chunk| chunk.back().is_some_and(&is_before));
        let skipped = self.chunks.get(chunk).map_or(0, |chunk| chunk.partition_point(&is_before));
        self.chunks.range(chunk..).flatten().skip(skipped)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_queue_holds(steps in prop::collection::vec((0_usize..5_000, 0_usize..5_000, 0_u64..20_000), 1..8)) {
            let (mut chunked, mut plain) = (ChunkedQueue::default(), VecDeque::new());
            let mut next = 0;
            for (pushes, pops, bound) in steps {
                for _ in 0..pushes {
                    chunked.push_back(next);
                    plain.push_back(next);
                    next += 1;
                }
                for _ in 0..pops {
                    prop_assert_eq!(chunked.pop_front_if(|n| *n < bound), plain.pop_front_if(|n| *n < bound));
                }
                let behind: Vec<u64> = chunked.behind(|n| *n <= bound).copied().collect();
                prop_assert_eq!(behind, plain.iter().copied().filter(|n| *n > bound).collect::<Vec<_>>());
            }
        }
    }
}

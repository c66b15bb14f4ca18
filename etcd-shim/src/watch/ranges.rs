//! Finds the groups of watchers that watch a key: an interval tree in a sorted array.
//!
//! Ranges change seldom and keys are looked up often. So the array is built anew by the first lookup after a change. It
//! is read as a balanced tree: the middle of a slice is the root of what lies to its left and right. Each position also
//! holds the highest end of all ranges in its subtree, so that a lookup skips subtrees that end before the key.

use std::collections::BTreeMap;

use bytes::Bytes;

/// The number of a group of watchers.
pub(super) type GroupId = u64;

/// The keys from `from` on and below `below`; without a `below`, to the end of all keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyRange {
    pub(super) from: Bytes,
    pub(super) below: Option<Bytes>,
}

impl KeyRange {
    pub(super) fn contains(&self, key: &[u8]) -> bool {
        key >= &self.from[..] && self.below.as_ref().is_none_or(|b| key < &b[..])
    }
}

/// The later of two ends. `None` is later than every other.
fn later<'a>(a: Option<&'a Bytes>, b: Option<&'a Bytes>) -> Option<&'a Bytes> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        _ => None,
    }
}

struct Slot {
    range: KeyRange,
    group: GroupId,
    /// The highest end in this position's subtree.
    last_end: Option<Bytes>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Ranges {
    ranges: BTreeMap<(KeyRange, GroupId), ()>,
    sorted: Vec<Slot>,
    /// Whether `ranges` changed since `sorted` was built.
    stale: bool,
}

impl Ranges {
    pub(super) fn insert(&mut self, range: KeyRange, group: GroupId) {
        self.ranges.insert((range, group), ());
        self.stale = true;
    }

    pub(super) fn remove(&mut self, range: &KeyRange, group: GroupId) {
        self.ranges.remove(&(range.clone(), group));
        self.stale = true;
    }

    /// Calls `each` with every group whose range contains `key`.
    pub(super) fn find(&mut self, key: &[u8], mut each: impl FnMut(GroupId)) {
        if std::mem::take(&mut self.stale) {
            let slot = |(range, group): &(KeyRange, GroupId)| Slot {
                range: range.clone(),
                group: *group,
                last_end: range.below.clone(),
            };
            self.sorted = self.ranges.keys().map(slot).collect();
            Self::raise_ends(&mut self.sorted);
        }
        Self::visit(&self.sorted, key, &mut each);
    }

    fn raise_ends(slots: &mut [Slot]) {
        if slots.is_empty() {
            return;
        }
        let middle = slots.len() / 2;
        let (left, rest) = slots.split_at_mut(middle);
        let (root, right) = rest.split_first_mut().expect("the middle is inside");
        Self::raise_ends(left);
        Self::raise_ends(right);
        let mut last = root.range.below.as_ref();
        for side in [&*left, &*right] {
            if let Some(top) = side.get(side.len() / 2) {
                last = later(last, top.last_end.as_ref());
            }
        }
        root.last_end = last.cloned();
    }

    fn visit(slots: &[Slot], key: &[u8], each: &mut impl FnMut(GroupId)) {
        let Some(root) = slots.get(slots.len() / 2) else { return };
        if root.last_end.as_ref().is_some_and(|end| &end[..] <= key) {
            return;
        }
        let (left, rest) = slots.split_at(slots.len() / 2);
        Self::visit(left, key, each);
        if &root.range.from[..] <= key {
            if root.range.contains(key) {
                each(root.group);
            }
            Self::visit(&rest[1..], key, each);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_finds_the_same_groups_as_a_comparison_with_every_range(ranges in prop::collection::vec((0u8..40, prop::option::of(0u8..40)), 0..60), removed in 0usize..60) {
            let mut tree = Ranges::default();
            let mut all = Vec::new();
            for (group, (from, below)) in ranges.into_iter().enumerate() {
                let range = KeyRange { from: vec![from].into(), below: below.map(|b| vec![b].into()) };
                tree.insert(range.clone(), group as u64);
                all.push((range, group as u64));
            }
            if removed < all.len() {
                let (range, group) = all.swap_remove(removed);
                tree.remove(&range, group);
            }
            for key in 0u8..42 {
                let mut found = Vec::new();
                tree.find(&[key], |g| found.push(g));
                found.sort_unstable();
                let mut expected: Vec<_> = all.iter().filter(|(r, _)| r.contains(&[key])).map(|(_, g)| *g).collect();
                expected.sort_unstable();
                prop_assert_eq!(found, expected);
            }
        }
    }
}

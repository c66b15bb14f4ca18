//! A copy-on-write B-tree whose nodes know the weight of their subtrees.
//!
//! A clone is O(1) and shares all nodes. A change copies only the shared nodes on its path; if no clone exists, it
//! copies none. The weight of a range is found in O(log n). A key that exists weighs 1, so the weight of a range of
//! keys is etcd's `count`. Nodes are small ([`LEAF_MAX`]), because copying a node touches the reference count of every
//! item, each on a cache line of its own.
//!
//! Invariants (the tests check all but the second):
//!
//! - Items ascend by key.
//! - The `first` of a child is a lower bound of the child's keys, and is above all keys of the child before. A node's
//!   first child is an exception: nothing reads its `first`, so its keys may be below it.
//! - The weight of a node is the sum of the weights below it.
//! - No node but the root is empty.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use super::guide::Guide;

/// The most items in a leaf.
const LEAF_MAX: usize = 16;
/// The most children of an inner node.
const INNER_MAX: usize = 32;

/// An item of the tree.
pub(crate) trait Item: Clone {
    /// The item's key.
    fn key(&self) -> &Bytes;
    /// What the item adds to [`Tree::weight`].
    fn weight(&self) -> usize;
}

#[derive(Clone)]
struct Child<T> {
    first: Bytes,
    weight: usize,
    node: Arc<Node<T>>,
}

/// Each node has the guide to its keys. The guide of an inner node leaves out the first child, because that child's
/// `first` need not share a prefix with the others.
#[derive(Clone)]
enum Node<T> {
    Leaf(Guide, Vec<T>),
    Inner(Guide, Vec<Child<T>>),
}

fn guide_items<T: Item>(items: &[T]) -> Guide {
    Guide::new(items.len(), |at| items[at].key())
}

fn guide_children<T>(children: &[Child<T>]) -> Guide {
    Guide::new(children.len().saturating_sub(1), |at| &children[at + 1].first)
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Tree<T> {
    root: Arc<Node<T>>,
    weight: usize,
}

impl<T: Item> Default for Tree<T> {
    fn default() -> Self {
        Self { root: Arc::new(Node::Leaf(Guide::default(), Vec::new())), weight: 0 }
    }
}

impl<T: Item> Node<T> {
    /// The index of the child that holds `key`, or would have to hold it.
    fn child_of(guide: &Guide, children: &[Child<T>], key: &[u8]) -> usize {
        let Some(any) = children.get(1) else { return 0 };
        let range = guide.narrow(key, &any.first);
        range.start + children[1..][range].partition_point(|c| &c.first[..] <= key)
    }

    /// The index of `key` among `items`; `Err` has the index at which it would have to be inserted.
    fn place_of(guide: &Guide, items: &[T], key: &[u8]) -> Result<usize, usize> {
        let Some(any) = items.first() else { return Err(0) };
        let range = guide.narrow(key, any.key());
        let (start, found) = (range.start, items[range].binary_search_by(|i| i.key()[..].cmp(key)));
        found.map(|at| start + at).map_err(|at| start + at)
    }

    fn weight(&self) -> usize {
        match self {
            Node::Leaf(_, items) => items.iter().map(Item::weight).sum(),
            Node::Inner(_, children) => children.iter().map(|c| c.weight).sum(),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Node::Leaf(_, items) => items.is_empty(),
            Node::Inner(_, children) => children.is_empty(),
        }
    }

    /// Splits off the right half of the node.
    fn split(&mut self) -> Child<T> {
        let (first, right) = match self {
            Node::Leaf(guide, items) => {
                let right = items.split_off(items.len() / 2);
                *guide = guide_items(items);
                (right[0].key().clone(), Node::Leaf(guide_items(&right), right))
            }
            Node::Inner(guide, children) => {
                let right = children.split_off(children.len() / 2);
                *guide = guide_children(children);
                (right[0].first.clone(), Node::Inner(guide_children(&right), right))
            }
        };
        Child { first, weight: right.weight(), node: Arc::new(right) }
    }

    fn is_too_full(&self) -> bool {
        match self {
            Node::Leaf(_, items) => items.len() > LEAF_MAX,
            Node::Inner(_, children) => children.len() > INNER_MAX,
        }
    }

    /// Changes the item of `key` in place, or inserts what `change` makes when there is no item. Returns the result of
    /// `change` and by how much the weight changed.
    fn upsert<R>(
        node: &mut Arc<Self>,
        key: &[u8],
        change: impl FnOnce(Option<&mut T>) -> (R, Option<T>),
    ) -> (R, isize) {
        let signed = |weight: usize| isize::try_from(weight).expect("weights are small");
        match Arc::make_mut(node) {
            Node::Leaf(guide, items) => match Self::place_of(guide, items, key) {
                Ok(at) => {
                    let before = signed(items[at].weight());
                    let (result, _) = change(Some(&mut items[at]));
                    (result, signed(items[at].weight()) - before)
                }
                Err(at) => {
                    let (result, new) = change(None);
                    let Some(item) = new else { return (result, 0) };
                    debug_assert_eq!(item.key(), key);
                    let gained = signed(item.weight());
                    let guided = items.first().is_some_and(|any| guide.insert(at, item.key(), any.key()));
                    items.insert(at, item);
                    if !guided {
                        *guide = guide_items(items);
                    }
                    (result, gained)
                }
            },
            Node::Inner(guide, children) => {
                let at = Self::child_of(guide, children, key);
                let child = &mut children[at];
                let (result, gained) = Self::upsert(&mut child.node, key, change);
                child.weight = child.weight.checked_add_signed(gained).expect("an item loses no more than its weight");
                if child.node.is_too_full() {
                    let right = Arc::make_mut(&mut child.node).split();
                    child.weight -= right.weight;
                    children.insert(at + 1, right);
                    *guide = guide_children(children);
                }
                (result, gained)
            }
        }
    }

    fn remove(node: &mut Arc<Self>, key: &[u8]) -> Option<T> {
        match Arc::make_mut(node) {
            Node::Leaf(guide, items) => {
                let at = Self::place_of(guide, items, key).ok()?;
                guide.remove(at);
                Some(items.remove(at))
            }
            Node::Inner(guide, children) => {
                let at = Self::child_of(guide, children, key);
                let child = children.get_mut(at)?;
                let old = Self::remove(&mut child.node, key)?;
                child.weight -= old.weight();
                if child.node.is_empty() {
                    children.remove(at);
                    *guide = guide_children(children);
                }
                Some(old)
            }
        }
    }

    /// Calls `each` with the items from `from` on and below `below`, until `each` breaks. A bound is `None` if all keys
    /// of the node are known to be within it; then no key has to be compared with it.
    fn visit<'a>(
        &'a self,
        from: Option<&[u8]>,
        below: Option<&[u8]>,
        each: &mut impl FnMut(&'a T) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match self {
            Node::Leaf(guide, items) => {
                let place = |key: &[u8]| Self::place_of(guide, items, key).unwrap_or_else(|at| at);
                let (start, end) = (from.map_or(0, place), below.map_or(items.len(), place));
                items.get(start..end).into_iter().flatten().try_for_each(each)
            }
            Node::Inner(guide, children) => {
                let child = |key: &[u8]| Self::child_of(guide, children, key);
                // The last child may begin exactly at `below`: then it has no item in the range.
                let (start, last) = (from.map_or(0, child), below.map_or(children.len().saturating_sub(1), child));
                for (at, child) in children.iter().enumerate().take(last + 1).skip(start) {
                    let (from, below) = (from.filter(|_| at == start), below.filter(|_| at == last));
                    child.node.visit(from, below, each)?;
                }
                ControlFlow::Continue(())
            }
        }
    }

    fn weight_below(&self, key: &[u8]) -> usize {
        match self {
            Node::Leaf(guide, items) => {
                let end = Self::place_of(guide, items, key).unwrap_or_else(|at| at);
                items[..end].iter().map(Item::weight).sum()
            }
            Node::Inner(guide, children) => {
                let at = Self::child_of(guide, children, key);
                let before: usize = children[..at].iter().map(|c| c.weight).sum();
                before + children.get(at).map_or(0, |c| c.node.weight_below(key))
            }
        }
    }
}

impl<T: Item> Tree<T> {
    /// Sum of all weights.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// The item of `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&T> {
        let mut node = &self.root;
        loop {
            match &**node {
                Node::Leaf(guide, items) => return Node::place_of(guide, items, key).ok().map(|at| &items[at]),
                Node::Inner(guide, children) => node = &children.get(Node::child_of(guide, children, key))?.node,
            }
        }
    }

    /// Changes the item of `key` in place, or inserts what `change` makes when there is no item. The item must have the
    /// key `key` afterwards.
    pub(crate) fn upsert<R>(&mut self, key: &[u8], change: impl FnOnce(Option<&mut T>) -> (R, Option<T>)) -> R {
        let (result, gained) = Node::upsert(&mut self.root, key, change);
        self.weight = self.weight.checked_add_signed(gained).expect("an item loses no more than its weight");
        if self.root.is_too_full() {
            let right = Arc::make_mut(&mut self.root).split();
            let left = Child { first: Bytes::new(), weight: self.weight - right.weight, node: Arc::clone(&self.root) };
            let children = vec![left, right];
            self.root = Arc::new(Node::Inner(guide_children(&children), children));
        }
        result
    }

    /// Changes the item of `key` in place, if there is one; its key must stay the same.
    pub(crate) fn update<R>(&mut self, key: &[u8], change: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.upsert(key, |item| (item.map(change), None))
    }

    /// Removes the item of `key`.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<T> {
        self.get(key)?;
        let old = Node::remove(&mut self.root, key)?;
        self.weight -= old.weight();
        loop {
            let only = match &*self.root {
                Node::Inner(_, children) if children.len() == 1 => Arc::clone(&children[0].node),
                Node::Inner(_, children) if children.is_empty() => Arc::new(Node::Leaf(Guide::default(), Vec::new())),
                _ => break,
            };
            self.root = only;
        }
        Some(old)
    }

    /// Calls `each` with the items from `from` on and below `below` (to the end if `None`), until `each` breaks.
    pub(crate) fn visit<'a>(
        &'a self,
        from: &[u8],
        below: Option<&[u8]>,
        mut each: impl FnMut(&'a T) -> ControlFlow<()>,
    ) {
        // The result only says whether `each` broke; the visit is over in both cases.
        let _ = self.root.visit(Some(from), below, &mut each);
    }

    /// Sum of the weights of the items from `from` on and below `below`, in O(log n).
    pub(crate) fn weight_of(&self, from: &[u8], below: Option<&[u8]>) -> usize {
        let upper = below.map_or(self.weight, |b| self.root.weight_below(b));
        upper.saturating_sub(self.root.weight_below(from))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Pair(Bytes, usize);

    impl Item for Pair {
        fn key(&self) -> &Bytes {
            &self.0
        }

        fn weight(&self) -> usize {
            self.1
        }
    }

    impl<T: Item> Tree<T> {
        fn check(&self) {
            fn walk<T: Item>(node: &Node<T>, root: bool) -> usize {
                assert!((root || !node.is_empty()) && !node.is_too_full());
                let weight = match node {
                    Node::Leaf(_, items) => items.iter().map(Item::weight).sum(),
                    Node::Inner(_, children) => children.iter().map(|c| walk(&c.node, false)).sum(),
                };
                assert_eq!(node.weight(), weight);
                weight
            }
            assert_eq!(walk(&self.root, true), self.weight);
            let mut last: Option<Bytes> = None;
            self.visit(b"", None, |i| {
                assert!(last.as_ref().is_none_or(|l| l < i.key()));
                last = Some(i.key().clone());
                ControlFlow::Continue(())
            });
        }
    }

    fn key(n: u16) -> Bytes {
        Bytes::from(n.to_be_bytes().to_vec())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_agrees_with_a_map(ops in prop::collection::vec((any::<bool>(), 0u16..600, 0usize..2), 0..1500),
                                from in 0u16..600, below in 0u16..600) {
            let mut tree = Tree::<Pair>::default();
            let mut map = BTreeMap::new();
            let mut old = (tree.clone(), map.clone());
            for (i, (insert, k, w)) in ops.into_iter().enumerate() {
                if insert {
                    let old = tree.upsert(&key(k), |pair| match pair {
                        Some(pair) => (Some(std::mem::replace(&mut pair.1, w)), None),
                        None => (None, Some(Pair(key(k), w))),
                    });
                    prop_assert_eq!(old, map.insert(key(k), w));
                    prop_assert_eq!(tree.update(&key(k + 1), |pair| pair.1), map.get(&key(k + 1)).copied());
                } else {
                    prop_assert_eq!(tree.remove(&key(k)).map(|p| p.1), map.remove(&key(k)));
                }
                if i % 300 == 0 {
                    old = (tree.clone(), map.clone());
                }
            }
            for (tree, map) in [(tree, map), old] {
                tree.check();
                let mut seen = Vec::new();
                tree.visit(&key(from), Some(&key(below)), |p| { seen.push(p.0.clone()); ControlFlow::Continue(()) });
                let (from, below) = (key(from), key(below));
                let range = || map.iter().filter(|(k, _)| **k >= from && **k < below);
                prop_assert_eq!(seen, range().map(|(k, _)| k.clone()).collect::<Vec<_>>());
                prop_assert_eq!(tree.weight_of(&from, Some(&below)), range().map(|(_, w)| *w).sum::<usize>());
                prop_assert_eq!(tree.weight_of(&from, None), map.range(from..).map(|(_, w)| *w).sum::<usize>());
            }
        }
    }
}

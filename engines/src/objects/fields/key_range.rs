//! [`KeyRange`]: a range of the keys of an object.

use bytes::Bytes;

use crate::local_store::RowKey;
use crate::objects::object_id::ObjectId;
use crate::objects::rows::names::{field_row, fields_end};

/// The keys from `from` on and below `below`, or up to the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::objects) struct KeyRange {
    pub(in crate::objects) from: Bytes,
    pub(in crate::objects) below: Option<Bytes>,
}

impl KeyRange {
    /// The keys that begin with `prefix`.
    pub(in crate::objects) fn beginning_with(prefix: &[u8]) -> Self {
        let kept = prefix.iter().rposition(|byte| *byte < u8::MAX);
        let below = kept.map(|last| {
            let mut below = prefix[..=last].to_vec();
            below[last] += 1;
            Bytes::from(below)
        });
        Self { from: Bytes::copy_from_slice(prefix), below }
    }

    /// The keys behind `key`, which is the last one of a page.
    pub(in crate::objects) fn behind(&self, key: &[u8]) -> Self {
        Self { from: [key, &[0]].concat().into(), below: self.below.clone() }
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.from <= key && self.below.as_ref().is_none_or(|below| key < &below[..])
    }

    /// The rows of the range: the first name, and the name behind the last one.
    pub(super) fn rows(&self, object: ObjectId) -> (RowKey, RowKey) {
        let below = self.below.as_ref().map_or_else(|| fields_end(object), |below| field_row(object, below));
        (field_row(object, &self.from), below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        let range = KeyRange::beginning_with(b"a\xff");
        assert!(range.contains(b"a\xff") && range.contains(b"a\xff\xff\xff"));
        assert!(!range.contains(b"b") && !range.contains(b"a\xfe"));
        assert!(!range.behind(b"a\xff").contains(b"a\xff"));
        assert_eq!(KeyRange::beginning_with(b"\xff").below, None);
        assert_eq!(KeyRange::beginning_with(b""), KeyRange::default());
    }
}

//! [`Keys`]: the keys that a call is about.

use std::ops::Range;

use bytes::Bytes;

use crate::state::index::keys as index;

/// The keys that a call is about: one key, those with a prefix, or a range.
///
/// ```
/// use naxos::Keys;
/// let one: Keys = "config/color".into();
/// assert_ne!(one, Keys::prefix("config/"));
/// assert_eq!(Keys::prefix("a"), Keys::range("a".."b"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    pub(crate) key: Bytes,
    /// As in etcd: empty for one key; a zero byte for all keys from `key` on; else the first key that is not in the range.
    pub(crate) range_end: Bytes,
}

/// Stands for "no end" in etcd's API.
const NO_END: &[u8] = b"\0";

impl Keys {
    /// The keys that begin with `prefix`. All keys if it is empty.
    pub fn prefix(prefix: impl AsRef<[u8]>) -> Self {
        let prefix = prefix.as_ref();
        let mut end = prefix.to_vec();
        // The first key after all those with the prefix: the prefix with its last byte raised. A byte 255 has no next one.
        while end.last() == Some(&u8::MAX) {
            end.pop();
        }
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        let key = if prefix.is_empty() { NO_END } else { prefix };
        Self { key: Bytes::copy_from_slice(key), range_end: if end.is_empty() { NO_END.into() } else { end.into() } }
    }

    /// The keys from `range.start` on and below `range.end`, in the order of their bytes. As in etcd, an empty
    /// `range.end` means the key `range.start` alone, and one zero byte means that the range has no end.
    pub fn range<K: AsRef<[u8]>>(range: Range<K>) -> Self {
        let bytes = |key: K| Bytes::copy_from_slice(key.as_ref());
        Self { key: bytes(range.start), range_end: bytes(range.end) }
    }

    /// All keys.
    pub fn all() -> Self {
        Self::prefix("")
    }

    /// The keys as a range: its first key, and the first key after the range. `None` if the range has no end.
    pub(crate) fn bounds(self) -> (Bytes, Option<Bytes>) {
        let Self { key, range_end } = self;
        let below = match index::Keys::new(&key, &range_end) {
            index::Keys::One(key) => Some([key, &[0]].concat().into()),
            index::Keys::Range(_, below) => below.map(Bytes::copy_from_slice),
        };
        (key, below)
    }
}

impl<K: AsRef<[u8]>> From<K> for Keys {
    /// One key.
    fn from(key: K) -> Self {
        Self { key: Bytes::copy_from_slice(key.as_ref()), range_end: Bytes::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_key_without_it() {
        let end = |prefix: &[u8]| Keys::prefix(prefix).range_end;
        assert_eq!(end(b"a/"), "a0");
        assert_eq!(end(b"a\xff\xff"), "b");
        assert_eq!((end(b"\xff"), end(b"")), (Bytes::from_static(NO_END), Bytes::from_static(NO_END)));
        assert_eq!(Keys::all().key, NO_END);
    }

    #[test]
    fn bounds_hold_exactly_the_keys() {
        let bounds = |keys: Keys| keys.bounds();
        assert_eq!(bounds("a".into()), ("a".into(), Some("a\0".into())));
        assert_eq!(bounds(Keys::range("a".."c")), ("a".into(), Some("c".into())));
        assert_eq!(bounds(Keys::prefix("a")), ("a".into(), Some("b".into())));
        assert_eq!(bounds(Keys::prefix(b"\xff")), (b"\xff"[..].into(), None));
    }
}

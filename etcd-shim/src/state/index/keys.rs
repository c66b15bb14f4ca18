//! [`Keys`]: the keys that a request names.

/// The keys that a request's `key` and `range_end` name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys<'a> {
    /// One key.
    One(&'a [u8]),
    /// The keys from the first bound on and below the second. If the second is `None`, the range has no end.
    Range(&'a [u8], Option<&'a [u8]>),
}

impl<'a> Keys<'a> {
    /// Reads the fields as etcd does: no end means one key; an end of one zero byte means all keys from `key` on.
    pub(crate) fn new(key: &'a [u8], range_end: &'a [u8]) -> Self {
        match range_end {
            [] => Keys::One(key),
            [0] => Keys::Range(key, None),
            end => Keys::Range(key, Some(end)),
        }
    }

    /// Whether `key` is one of the keys.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        match self {
            Keys::One(one) => *one == key,
            Keys::Range(from, below) => key >= *from && below.is_none_or(|b| key < b),
        }
    }
}

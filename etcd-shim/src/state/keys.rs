//! [`Keys`]: the keys that a request means.

/// The keys that a request's `key` and `range_end` mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys<'a> {
    /// One key.
    One(&'a [u8]),
    /// From the first on and below the second; to the end if `None`.
    Range(&'a [u8], Option<&'a [u8]>),
}

impl<'a> Keys<'a> {
    /// As etcd reads them: no end is one key, an end of one zero byte is everything from the key on.
    pub(crate) fn new(key: &'a [u8], range_end: &'a [u8]) -> Self {
        match range_end {
            [] => Keys::One(key),
            [0] => Keys::Range(key, None),
            end => Keys::Range(key, Some(end)),
        }
    }

    /// Whether `key` is meant.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        match self {
            Keys::One(one) => *one == key,
            Keys::Range(from, below) => key >= *from && below.is_none_or(|b| key < b),
        }
    }
}

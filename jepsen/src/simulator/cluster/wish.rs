//! [`Wish`]: what one observer asks its watch for.

use std::fmt;

use bytes::Bytes;
use naxos_proto::etcd::client::etcdserverpb as pb;
use pb::watch_create_request::FilterType;

use super::super::record::Change;
use crate::differential::dice::Dice;

/// The keys that an observer watches all begin with one of these. The clients write keys of all these kinds.
const PREFIXES: [&str; 3] = ["", "k", "mirror/"];

/// The options of one watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Only keys with this prefix.
    pub prefix: &'static str,
    /// Each event also has what the key had before.
    pub prev_kv: bool,
    /// Events of one kind that are left out.
    pub filter: Option<FilterType>,
    /// The server tells now and then how far the watch has got.
    pub notifies: bool,
    /// The client asks now and then how far the watch has got.
    pub asks: bool,
    /// A large answer may come in several parts.
    pub fragments: bool,
}

impl Wish {
    /// A wish that the dice decide.
    pub fn draw(dice: &mut Dice) -> Self {
        Wish {
            prefix: if dice.chance(50) { "" } else { dice.pick::<&str>(&PREFIXES) },
            prev_kv: dice.chance(60),
            filter: *dice.pick(&[None, Some(FilterType::Noput), Some(FilterType::Nodelete)]),
            notifies: dice.chance(50),
            asks: dice.chance(50),
            fragments: dice.chance(50),
        }
    }

    /// Whether an event for this change is due.
    pub fn wants(&self, change: &Change) -> bool {
        let is_left_out = match self.filter {
            Some(FilterType::Noput) => change.value.is_some(),
            Some(FilterType::Nodelete) => change.value.is_none(),
            None => false,
        };
        change.key.starts_with(self.prefix) && !is_left_out
    }

    /// The request for the changes from a revision on.
    pub fn request(&self, from: i64) -> pb::WatchCreateRequest {
        let prefix = self.prefix.as_bytes();
        // The end of the range is the prefix with its last byte raised. An empty prefix means all keys.
        let (key, range_end) = match prefix.split_last() {
            None => (b"\0".to_vec(), b"\0".to_vec()),
            Some((last, first)) => (prefix.to_vec(), first.iter().copied().chain([last + 1]).collect()),
        };
        pb::WatchCreateRequest {
            key: Bytes::from(key),
            range_end: Bytes::from(range_end),
            start_revision: from,
            progress_notify: self.notifies,
            filters: self.filter.into_iter().map(i32::from).collect(),
            prev_kv: self.prev_kv,
            fragment: self.fragments,
            ..Default::default()
        }
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?}* prev_kv={} filter={:?} notifies={} asks={} fragments={}",
            self.prefix, self.prev_kv, self.filter, self.notifies, self.asks, self.fragments
        )
    }
}

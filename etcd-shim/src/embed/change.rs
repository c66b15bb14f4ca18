//! [`Change`]: what has happened to a key.

use bytes::Bytes;
use naxos_proto::etcd::client::mvccpb::{Event, event::EventType};

use super::Pair;

/// What has happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key has got this value.
    Put(Pair),
    /// The key was deleted.
    Deleted {
        /// The key.
        key: Bytes,
        /// The revision at which it was deleted.
        at: i64,
    },
}

impl Change {
    /// The key.
    pub fn key(&self) -> &Bytes {
        match self {
            Change::Put(pair) => &pair.key,
            Change::Deleted { key, .. } => key,
        }
    }

    /// The revision at which it happened.
    pub fn revision(&self) -> i64 {
        match self {
            Change::Put(pair) => pair.changed_at,
            Change::Deleted { at, .. } => *at,
        }
    }

    pub(super) fn of(event: Event) -> Option<Self> {
        let kind = event.r#type();
        let kv = event.kv?;
        Some(match kind {
            EventType::Put => Change::Put(kv.into()),
            EventType::Delete => Change::Deleted { key: kv.key, at: kv.mod_revision },
        })
    }
}

//! The sessions as the store remembers them, and the check whether an entry takes effect.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};
use naxos_proto::codec::{DecodeError, Reader};
use naxos_proto::ids::{Boot, StorageId, StoreId};

use super::header::Header;
use crate::local_store::{RowKey, StoreReader, tables};

/// The session of one storage, as the store remembers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SessionState {
    pub(super) boot: Boot,
    floor: u64,
    applied: BTreeSet<u64>,
}

/// Whether an entry takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Apply,
    Duplicate,
    Closed,
}

impl SessionState {
    /// The state of a session that has just been opened.
    pub(super) fn opened(boot: Boot) -> Self {
        Self { boot, ..Self::default() }
    }

    pub(super) fn admit(&mut self, header: &Header) -> Verdict {
        if self.boot != header.session.boot {
            return Verdict::Closed;
        }
        if header.sequence < self.floor || self.applied.contains(&header.sequence) {
            return Verdict::Duplicate;
        }
        self.applied.insert(header.sequence);
        if header.floor > self.floor {
            self.floor = header.floor;
            self.applied = self.applied.split_off(&header.floor);
        }
        Verdict::Apply
    }

    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(16 + 8 * self.applied.len());
        out.put_u64_le(self.boot.0);
        out.put_u64_le(self.floor);
        self.applied.iter().for_each(|s| out.put_u64_le(*s));
        out.freeze()
    }

    pub(super) fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes, "session row");
        let mut state = Self { boot: Boot(r.u64()?), floor: r.u64()?, applied: BTreeSet::new() };
        while r.left() > 0 {
            state.applied.insert(r.u64()?);
        }
        Ok(state)
    }
}

pub(super) fn row(storage: StorageId) -> RowKey {
    RowKey::new(StoreId(0), tables::SESSIONS, &storage.0.to_be_bytes())
}

pub(super) fn load(reader: &StoreReader) -> BTreeMap<StorageId, SessionState> {
    let mut sessions = BTreeMap::new();
    let end = RowKey::new(StoreId(0), crate::local_store::TableId(tables::SESSIONS.0 + 1), &[]);
    reader.stream(&row(StorageId(0)), &end, |key, value| {
        let storage = <[u8; 8]>::try_from(&key.key[..]).expect("session rows are named by storage ids");
        let state = SessionState::decode(Bytes::copy_from_slice(value))
            .unwrap_or_else(|e| panic!("a session row is damaged: {e}"));
        sessions.insert(StorageId(u64::from_be_bytes(storage)), state);
    });
    sessions
}

#[cfg(test)]
mod tests {
    use naxos_proto::ids::Incarnation;
    use proptest::prelude::*;

    use super::*;

    fn header(boot: u64, sequence: u64, floor: u64) -> Header {
        let session = Incarnation { storage: StorageId(1), boot: Boot(boot) };
        Header { open: false, session, sequence, floor }
    }

    #[test]
    fn a_number_is_applied_once_and_an_old_life_never() {
        let mut state = SessionState { boot: Boot(2), ..Default::default() };
        assert_eq!(state.admit(&header(2, 1, 1)), Verdict::Apply);
        assert_eq!(state.admit(&header(2, 1, 1)), Verdict::Duplicate);
        assert_eq!(state.admit(&header(1, 2, 1)), Verdict::Closed);
        assert_eq!(state.admit(&header(2, 3, 2)), Verdict::Apply);
        assert_eq!(state.admit(&header(2, 2, 2)), Verdict::Apply, "numbers may come in any order");
        assert_eq!(state.admit(&header(2, 1, 1)), Verdict::Duplicate, "below the floor");
    }

    proptest! {
        #[test]
        fn whatever_is_repeated_is_applied_at_most_once(order in prop::collection::vec(1u64..20, 0..80)) {
            let mut state = SessionState { boot: Boot(1), ..Default::default() };
            let mut applied = BTreeSet::new();
            let mut floor = 1;
            for sequence in order {
                // As the proposer does, skip all numbers that were seen applied.
                while applied.contains(&floor) {
                    floor += 1;
                }
                let verdict = state.admit(&header(1, sequence, floor));
                prop_assert_eq!(verdict == Verdict::Apply, applied.insert(sequence));
                prop_assert_eq!(SessionState::decode(state.encode()).unwrap(), state.clone());
                prop_assert!(state.applied.len() <= 20);
            }
        }
    }
}

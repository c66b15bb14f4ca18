//! Rows of the local store, which may have to be read from disk.
//!
//! No thread reads a disk while the key space is locked, because apply and every request wait for that lock. So work
//! that needs rows is done in rounds:
//!
//! 1. Under the lock, find out which rows are missing ([`Lookup`]).
//! 2. Without the lock, fetch them ([`fetch`]).
//! 3. Under the lock, do the work with the fetched rows.

use std::cell::RefCell;
use std::collections::BTreeMap;

use bytes::Bytes;
use naxos_engines::StoreReader;
use naxos_proto::ids::StoreId;

use crate::state::index::revision_key::RevisionKey;
use crate::state::index::row_source::RowSource;
use crate::state::rows;
use crate::state::store::{SharedStore, Store};

/// May read the disk: not to be used under the lock of the key space, nor on a thread that serves requests.
impl RowSource for StoreReader {
    fn row(&self, store: StoreId, at: RevisionKey) -> Option<Bytes> {
        self.get(&rows::key_value(store, at, false))
    }
}

/// Rows that were fetched before the work that needs them.
#[derive(Debug, Default)]
pub(crate) struct Fetched(BTreeMap<RevisionKey, Bytes>);

impl RowSource for Fetched {
    fn row(&self, _: StoreId, at: RevisionKey) -> Option<Bytes> {
        self.0.get(&at).cloned()
    }
}

/// Looks rows up among those fetched, and remembers which ones are missing.
pub(crate) struct Lookup<'a> {
    fetched: &'a Fetched,
    missing: RefCell<Vec<RevisionKey>>,
}

impl RowSource for Lookup<'_> {
    fn row(&self, store: StoreId, at: RevisionKey) -> Option<Bytes> {
        let found = self.fetched.row(store, at);
        if found.is_none() {
            self.missing.borrow_mut().push(at);
        }
        found
    }
}

/// Fetches the rows that `look` asks for, round by round, until none is missing. The lock is held only while `look`
/// runs. Also ends when the missing rows no longer exist, because they were compacted away in the meantime.
pub(crate) fn fetch(shared: &SharedStore, reader: &StoreReader, look: impl Fn(&Store, &Lookup<'_>)) -> Fetched {
    let mut fetched = Fetched::default();
    loop {
        let (id, missing) = {
            let store = shared.read();
            let lookup = Lookup { fetched: &fetched, missing: RefCell::default() };
            look(&store, &lookup);
            (store.id, lookup.missing.into_inner())
        };
        let before = fetched.0.len();
        fetched.0.extend(missing.into_iter().filter_map(|at| Some((at, reader.row(id, at)?))));
        if fetched.0.len() == before {
            return fetched;
        }
    }
}

/// The rows that apply reads under the lock of the key space: rows that were fetched before, and rows so new that they
/// are still in memory, such as those that the command itself has written.
pub(crate) struct ApplyRows<'a> {
    pub(crate) fetched: Fetched,
    pub(crate) reader: &'a StoreReader,
}

impl RowSource for ApplyRows<'_> {
    fn row(&self, store: StoreId, at: RevisionKey) -> Option<Bytes> {
        self.fetched.row(store, at).or_else(|| {
            let row = rows::key_value(store, at, false);
            debug_assert!(self.reader.has_in_memory(&row), "{at:?} would be read from disk under the lock");
            self.reader.get(&row)
        })
    }
}

//! Reads: the answer to a `RangeRequest`, in apply (within a transaction) and beside it.
//!
//! A read has two steps. [`super::collect`] walks the index and takes the values that memory holds. Then
//! [`Collected::finish`] fetches the rows that only the local store holds, filters and sorts the pairs, and cuts the
//! list at the limit. A caller that releases the store's lock in between may find that rows were compacted away;
//! [`Collected::finish_beside`] then collects again.

use bytes::Bytes;
use naxos_engines::StoreReader;
use naxos_proto::etcd::server::etcdserverpb::range_request::{SortOrder, SortTarget};
use naxos_proto::etcd::server::etcdserverpb::{RangeRequest, ResponseHeader};
use naxos_proto::etcd::server::mvccpb::KeyValue;
use naxos_proto::etcd::twins::RangeResponse;

use super::collect::{Collected, Collecting};
use super::range_request::{is_as_indexed, limit, sorts};
use crate::state::error::EtcdError;
use crate::state::index::key_value::{Fields, decode};
use crate::state::index::row_source::RowSource;
use crate::state::store::SharedStore;

/// The most pairs that are filtered and sorted on a thread that serves requests.
const FINISH_PAIRS_MAX: usize = 2_048;

impl Collected {
    /// Whether rows have to be fetched. If so, the read must not be finished on a thread that serves requests.
    pub(crate) fn needs_rows(&self) -> bool {
        !self.rows.is_empty()
    }

    /// Asks `source` for each row that [`Self::finish`] will need.
    pub(crate) fn look_at_rows(&self, source: &dyn RowSource) {
        self.rows.iter().for_each(|(_, row)| drop(source.row(self.store, *row)));
    }

    /// Whether [`Self::finish`] takes long. If so, it must not run on a thread that serves requests.
    pub(crate) fn is_work(&self, r: &RangeRequest) -> bool {
        self.needs_rows() || (!is_as_indexed(r) && self.kvs.len() > FINISH_PAIRS_MAX)
    }

    /// If the answer is already known to be too large to send, returns the bytes of its pairs, and the answer without
    /// the pairs. `None` does not mean that the answer is small enough. In two cases this may be known only when the
    /// answer has been built: it has values of old revisions, or the request asks for sorted or filtered pairs.
    pub(crate) fn too_large(&self) -> Option<(usize, RangeResponse)> {
        let header = ResponseHeader { revision: self.revision, ..Default::default() };
        let rest = || RangeResponse { header: Some(header), count: self.counted(), ..Default::default() };
        self.is_refused.then(|| (self.bytes, rest()))
    }

    fn counted(&self) -> i64 {
        i64::try_from(self.count).expect("memory holds fewer keys")
    }

    /// Does what [`Self::finish`] does, without the store's lock. If a compaction has dropped needed rows in the
    /// meantime, it walks the index again.
    pub(crate) fn finish_beside(
        mut self,
        shared: &SharedStore,
        r: &RangeRequest,
        reader: &StoreReader,
    ) -> Result<RangeResponse, EtcdError> {
        loop {
            let (compacted, rows) = (self.compacted, self.rows.len());
            if let Some(answer) = self.finish(r, reader) {
                return Ok(answer);
            }
            let mut anew = {
                let store = shared.read();
                assert!(store.compacted > compacted, "one of {rows} rows is missing, and nothing was compacted");
                Collecting::begin(&store, r)?
            };
            while !anew.is_done() {
                anew.step();
            }
            self = anew.finish();
        }
    }

    /// Fetches the missing rows, filters and sorts the pairs, and cuts the list at the limit. Returns `None` if
    /// `source` does not have one of the rows.
    pub(crate) fn finish(self, r: &RangeRequest, source: &dyn RowSource) -> Option<RangeResponse> {
        let count = self.counted();
        let mut kvs = self.kvs;
        for (at, row) in &self.rows {
            kvs[*at] = source.row(self.store, *row)?;
        }
        let more = if is_as_indexed(r) {
            self.count > limit(r) && !r.count_only
        } else {
            kvs = filter_and_sort(kvs, r);
            let more = kvs.len() > limit(r);
            kvs.truncate(limit(r));
            more
        };
        if r.keys_only && (sorts(r) || !self.rows.is_empty()) {
            kvs = kvs.iter().map(without_value).collect();
        }
        let header = ResponseHeader { revision: self.revision, ..Default::default() };
        Some(RangeResponse { header: Some(header), framed: self.framed.freeze(), kvs, more, count })
    }
}

fn without_value(encoded: &Bytes) -> Bytes {
    Fields { value: b"", ..Fields::of(encoded) }.encode()
}

fn filter_and_sort(kvs: Vec<Bytes>, r: &RangeRequest) -> Vec<Bytes> {
    let within = |n: i64, min: i64, max: i64| (max == 0 || n <= max) && (min == 0 || n >= min);
    let mut decoded: Vec<(KeyValue, Bytes)> = kvs.into_iter().map(|e| (decode(&e), e)).collect();
    decoded.retain(|(kv, _)| {
        within(kv.mod_revision, r.min_mod_revision, r.max_mod_revision)
            && within(kv.create_revision, r.min_create_revision, r.max_create_revision)
    });
    if sorts(r) {
        decoded.sort_by(|(a, _), (b, _)| {
            let order = match SortTarget::try_from(r.sort_target).unwrap_or(SortTarget::Key) {
                SortTarget::Key => a.key.cmp(&b.key),
                SortTarget::Version => a.version.cmp(&b.version),
                SortTarget::Create => a.create_revision.cmp(&b.create_revision),
                SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
                SortTarget::Value => a.value.cmp(&b.value),
            };
            if r.sort_order == SortOrder::Descend as i32 { order.reverse() } else { order }
        });
    }
    decoded.into_iter().map(|(_, e)| e).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use naxos_engines::LocalStore;
    use naxos_proto::ids::{Lsn, StoreId};
    use naxos_proto::seams::BootClock;
    use naxos_proto::seams::sim::Drive;

    use super::*;
    use crate::state::index::key_entry::{Live, Value};
    use crate::state::index::revision_key::RevisionKey;
    use crate::state::kv::collect::collect;
    use crate::state::rows;

    /// Puts the key `k` at revision `main`. Its value is in the local store only.
    fn put(local: &mut LocalStore, shared: &SharedStore, main: i64, value: &[u8]) {
        let fields = Fields { key: b"k", create: 2, modified: main, version: main - 1, value, lease: 0 };
        let at = RevisionKey { main, sub: 0 };
        let mut txn = local.begin();
        txn.put(rows::key_value(StoreId(0), at, false), fields.encode());
        txn.commit(Lsn(main.cast_unsigned()));
        let live = Live { at, create: 2, version: main - 1, lease: 0, value: Value::Row(value.len()) };
        let mut store = shared.write();
        store.put(b"k", |_| Ok::<_, ()>(live)).expect("nothing is refused");
        store.revision = main;
    }

    #[tokio::test]
    async fn a_read_of_the_present_whose_row_is_compacted_away_meanwhile_reads_anew() {
        let mut local = LocalStore::open(Drive::new(1).mount(), Arc::new(BootClock)).await.expect("a new store opens");
        let reader = local.reader();
        let shared = SharedStore::rebuild(StoreId(0), &reader, 0);
        put(&mut local, &shared, 2, b"old");
        let walk = |r: &RangeRequest| {
            let store = shared.read();
            collect(&store, r, store.revision).expect("the revision is there")
        };
        let present = RangeRequest { key: "k".into(), ..Default::default() };
        let past = RangeRequest { revision: 2, ..present.clone() };
        let (found, found_past) = (walk(&present), walk(&past));

        put(&mut local, &shared, 3, b"new");
        shared.write().compacted = 3;
        reader.purge([rows::key_value(StoreId(0), RevisionKey { main: 2, sub: 0 }, false)]);

        let answer = found.finish_beside(&shared, &present, &reader).expect("the present is never compacted");
        assert_eq!(decode(&answer.kvs[0]).value, &b"new"[..]);
        assert_eq!(answer.header.expect("every answer has a header").revision, 3);
        assert_eq!(found_past.finish_beside(&shared, &past, &reader).map(|_| ()), Err(EtcdError::Compacted));
    }
}

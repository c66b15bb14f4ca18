//! [`View`]: the rows of a program's own state machine, for a query.

use bytes::Bytes;
use naxos_engines::{RowKey, StoreReader, TableId};
use naxos_proto::ids::StoreId;

use super::Keys;
use crate::state::rows::OWN;

/// The most rows that are read at a time.
const PAGE_ROWS: usize = 256;

/// The name of a row of the program's own state machine.
pub(super) fn own_row(key: &[u8]) -> RowKey {
    RowKey::new(StoreId(0), OWN, key)
}

/// Reads `limit` rows, or all up to the end of the range, with a scan that may return fewer rows than there are.
pub(super) fn read_page(
    from: &[u8],
    below: Option<&[u8]>,
    limit: usize,
    scan: impl Fn(&RowKey, &RowKey, usize) -> Vec<(RowKey, Bytes)>,
) -> Vec<(Bytes, Bytes)> {
    let mut from = own_row(from);
    let below = below.map_or_else(|| RowKey::new(StoreId(0), TableId(OWN.0 + 1), &[]), own_row);
    let mut rows = Vec::new();
    while rows.len() < limit {
        let page = scan(&from, &below, PAGE_ROWS.min(limit - rows.len()));
        let Some((last, _)) = page.last() else { break };
        from = last.clone().after();
        rows.extend(page.into_iter().map(|(name, value)| (Bytes::copy_from_slice(&name.key), value)));
    }
    rows
}

/// The rows of a program's own state machine, for a query. A view never shows a command that is only half applied.
/// While a view is in use, this node applies no further command of the own state machine. Commands of other kinds that
/// come after such a command in the log wait with it. So a query should not keep its view for long.
pub struct View<'a> {
    reader: &'a StoreReader,
}

impl<'a> View<'a> {
    pub(super) fn new(reader: &'a StoreReader) -> Self {
        Self { reader }
    }

    /// The value of a row.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Bytes> {
        self.reader.get(&own_row(key.as_ref()))
    }

    /// The first `limit` rows with these keys, in the order of the keys.
    pub fn list(&self, keys: impl Into<Keys>, limit: usize) -> Vec<(Bytes, Bytes)> {
        let (from, below) = keys.into().bounds();
        read_page(&from, below.as_deref(), limit, |from, below, limit| self.reader.scan(from, below, limit))
    }
}

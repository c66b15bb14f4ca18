//! [`scan_pages`]: a scan over rows of which some are replaced.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::key_range::KeyRange;
use crate::objects::rows::cell::Cell;
use crate::objects::unreadable::Unreadable;

/// Most cells in one page, so that a small limit after a large one costs little.
const PAGE_CELLS: usize = 256;

/// The first `limit` cells of the range. `rows` returns the first cells of a range, at most as many as it is told, and an
/// empty list at the end of the range. `replaced` returns what the cells of a range are instead; it is called after `rows`
/// for the same part of the range.
pub(super) fn scan_pages(
    range: &KeyRange,
    limit: usize,
    rows: impl Fn(&KeyRange, usize) -> Result<Vec<(Bytes, Cell)>, Unreadable>,
    replaced: impl Fn(&KeyRange) -> Result<BTreeMap<Bytes, Option<Cell>>, Unreadable>,
) -> Result<Vec<(Bytes, Cell)>, Unreadable> {
    let (mut found, mut rest) = (Vec::new(), range.clone());
    while found.len() < limit {
        let page = rows(&rest, limit.min(PAGE_CELLS))?;
        let last = page.last().map(|(key, _)| key.clone());
        let part = match &last {
            Some(last) => KeyRange { from: rest.from.clone(), below: Some([&last[..], &[0]].concat().into()) },
            None => rest.clone(),
        };
        let mut cells: BTreeMap<_, _> = page.into_iter().collect();
        for (key, cell) in replaced(&part)? {
            match cell {
                Some(cell) => cells.insert(key, cell),
                None => cells.remove(&key),
            };
        }
        found.extend(cells);
        match last {
            Some(last) => rest = rest.behind(&last),
            None => break,
        }
    }
    found.truncate(limit);
    Ok(found)
}

//! [`scan_pages`]: a scan over rows of which some are replaced.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::key_range::KeyRange;
use crate::local_store::RowKey;
use crate::objects::rows::field::Field;
use crate::objects::rows::names::key_of;
use crate::objects::unreadable::Unreadable;

/// One page has at most this many fields. Without this bound, each page would be as large as the limit, even if only a
/// few fields are still missing.
const PAGE_FIELDS: usize = 256;

/// The keys and fields of rows of one object.
pub(super) fn fields_of(rows: Vec<(RowKey, Bytes)>) -> Result<Vec<(Bytes, Field)>, Unreadable> {
    rows.into_iter().map(|(row, value)| Ok((key_of(&row), Field::decode(value)?))).collect()
}

/// The first `limit` fields of the range. `rows` returns the first fields of a range, at most as many as it is told,
/// and an empty list at the end of the range. `replaced` returns the fields that take the place of rows in a range,
/// with `None` for a field that is not there. It is called after `rows` for the same part of the range.
pub(super) fn scan_pages(
    range: &KeyRange,
    limit: usize,
    rows: impl Fn(&KeyRange, usize) -> Result<Vec<(Bytes, Field)>, Unreadable>,
    replaced: impl Fn(&KeyRange) -> Result<BTreeMap<Bytes, Option<Field>>, Unreadable>,
) -> Result<Vec<(Bytes, Field)>, Unreadable> {
    let (mut found, mut rest) = (Vec::new(), range.clone());
    while found.len() < limit {
        let page = rows(&rest, limit.min(PAGE_FIELDS))?;
        let last = page.last().map(|(key, _)| key.clone());
        let part = match &last {
            Some(last) => KeyRange { from: rest.from.clone(), below: Some([&last[..], &[0]].concat().into()) },
            None => rest.clone(),
        };
        let mut fields: BTreeMap<_, _> = page.into_iter().collect();
        for (key, field) in replaced(&part)? {
            match field {
                Some(field) => fields.insert(key, field),
                None => fields.remove(&key),
            };
        }
        found.extend(fields);
        match last {
            Some(last) => rest = rest.behind(&last),
            None => break,
        }
    }
    found.truncate(limit);
    Ok(found)
}

//! [`first_conflict`]: the rule that decides transactions.

use super::cells::Cells;
use super::seen::Seen;
use super::unreadable::Unreadable;
use super::version::Version;

/// The first read that does not hold in `cells`, and the version that is there instead. A transaction commits if there is
/// none (Tango, SOSP'13, section 3.2).
pub(super) fn first_conflict<'a>(
    cells: &dyn Cells,
    reads: impl IntoIterator<Item = &'a Seen>,
) -> Result<Option<(&'a Seen, Version)>, Unreadable> {
    for seen in reads {
        let found = match &seen.key {
            Some(key) => cells.get(seen.object, key)?.map_or(Version::ZERO, |cell| cell.version),
            None => cells.state(seen.object)?.changed,
        };
        if found != seen.version {
            return Ok(Some((seen, found)));
        }
    }
    Ok(None)
}

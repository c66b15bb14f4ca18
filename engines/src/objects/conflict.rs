//! [`first_conflict`]: the rule that decides transactions.

use super::fields::Fields;
use super::seen::Seen;
use super::unreadable::Unreadable;
use super::version::Version;

/// The first read that does not hold in `fields`, and the version that is there instead. A transaction commits if there
/// is none (Tango, SOSP'13, section 3.2).
pub(super) fn first_conflict<'a>(
    fields: &dyn Fields,
    reads: impl IntoIterator<Item = &'a Seen>,
) -> Result<Option<(&'a Seen, Version)>, Unreadable> {
    for seen in reads {
        let found = match &seen.key {
            Some(key) => fields.get(seen.object, key)?.map_or(Version::ZERO, |field| field.version),
            None => fields.state(seen.object)?.changed,
        };
        if found != seen.version {
            return Ok(Some((seen, found)));
        }
    }
    Ok(None)
}

//! [`roles`]: which storage units a segment of the old log has.

use naxos_proto::chain::Segment;
use naxos_proto::loglet_roles::LogletRoles;

/// The storage units of a segment's loglet, if it has units.
pub(super) fn roles(segment: &Segment) -> Option<LogletRoles> {
    LogletRoles::of(&segment.params).ok()
}

//! [`Lease`]: what the log knows about a lease.

use std::collections::BTreeSet;

use bytes::Bytes;

/// A lease, as the log knows it. The keeper of leases, not this struct, knows when it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// Granted time-to-live in seconds.
    pub ttl: i64,
    /// The keys that are attached to the lease.
    pub keys: BTreeSet<Bytes>,
}

//! [`Leases`]: what clients know about leases, and the earliest time at which each may end.
//!
//! All times are those of the simulation, and so of the clients. A lease must live at least for its time-to-live,
//! counted from when its last acknowledged renewal was *sent*. And if a node starts while the lease lives, the full
//! time begins again.

use std::collections::BTreeMap;
use std::time::Duration;

/// The prefix of the keys that are attached to leases.
const PREFIX: &str = "lease/";
/// A node's clock is fast by at most 1%. So a lease may end early by this many percent, which includes a margin.
const MARGIN_PERCENT: u32 = 2;
/// An additional margin of a few milliseconds, because simulated time is exact only to 1 ms.
const MARGIN: Duration = Duration::from_millis(5);

/// The `n`-th key of a lease.
pub fn key_of(lease: i64, n: u64) -> String {
    format!("{PREFIX}{lease}/{n}")
}

/// The lease that a key is named after.
pub fn lease_of(key: &str) -> Option<i64> {
    key.strip_prefix(PREFIX)?.split('/').next()?.parse().ok()
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    /// The granted time-to-live minus the two margins. The lease must live at least this long.
    least: Duration,
    /// Before this time the lease must not end.
    until: Duration,
    revoked: bool,
}

/// What clients know about leases.
#[derive(Debug, Default)]
pub struct Leases {
    known: BTreeMap<i64, Lease>,
    /// How often a client saw that a lease had ended. One lease may count several times.
    pub ended: u64,
}

impl Leases {
    /// Notes that a grant sent at the time `sent` was acknowledged.
    pub fn granted(&mut self, id: i64, ttl: Duration, sent: Duration) {
        let least = (ttl * (100 - MARGIN_PERCENT) / 100).saturating_sub(MARGIN);
        self.known.insert(id, Lease { least, until: sent + least, revoked: false });
    }

    /// Notes that a renewal sent at the time `sent` was acknowledged.
    pub fn renewed(&mut self, id: i64, sent: Duration) {
        if let Some(lease) = self.known.get_mut(&id) {
            lease.until = lease.until.max(sent + lease.least);
        }
    }

    /// Notes that a client asks to revoke the lease. From now on it may end.
    pub fn revoke(&mut self, id: i64) {
        if let Some(lease) = self.known.get_mut(&id) {
            lease.revoked = true;
        }
    }

    /// Notes that the node was down from `gone` and starts now. Leases that lived when it went down begin afresh.
    pub fn restarted(&mut self, gone: Duration, now: Duration) {
        for lease in self.known.values_mut().filter(|lease| lease.until > gone) {
            lease.until = lease.until.max(now + lease.least);
        }
    }

    /// Notes that a client saw that a lease has ended. Returns what is wrong with that, if anything.
    pub fn check_gone(&mut self, id: i64, now: Duration) -> Option<String> {
        let lease = self.known.get(&id)?;
        self.ended += 1;
        let early = !lease.revoked && now < lease.until;
        early.then(|| format!("lease {id} was to live until {:?}, at {now:?} it is gone", lease.until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_lease_lives_from_its_last_renewal_or_from_a_start() {
        let mut leases = Leases::default();
        leases.granted(1, at(1_000), at(0));
        assert!(leases.check_gone(1, at(900)).is_some());
        assert!(leases.check_gone(1, at(980)).is_none());
        leases.renewed(1, at(500));
        assert!(leases.check_gone(1, at(1_400)).is_some());
        leases.restarted(at(1_450), at(1_460));
        assert!(leases.check_gone(1, at(2_400)).is_some());
        // The lease may have ended before this node went down.
        leases.restarted(at(2_460), at(2_470));
        assert!(leases.check_gone(1, at(2_480)).is_none());
        leases.renewed(1, at(2_480));
        leases.revoke(1);
        assert!(leases.check_gone(1, at(2_490)).is_none());
    }

    #[test]
    fn keys_name_their_lease() {
        assert_eq!(lease_of(&key_of(7_003, 2)), Some(7_003));
        assert_eq!(lease_of("k3"), None);
    }
}

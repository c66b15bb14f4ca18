//! [`Leases`]: what is known of leases, and how early one may end.
//!
//! All times are the simulation's, which are the clients'. A lease lives at least its time-to-live after the last
//! renewal that was acknowledged was *sent*; and a node that starts while it lives grants the whole time afresh.

use std::collections::BTreeMap;
use std::time::Duration;

/// Where the keys of leases are.
const PREFIX: &str = "lease/";
/// A node's clock is fast by at most 1%; with this margin, in percent, and that, a lease may end early.
const MARGIN_PERCENT: u32 = 2;
/// The grain of simulated time, a few times.
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
    least: Duration,
    /// Before this time it must not end.
    until: Duration,
    revoked: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Leases {
    known: BTreeMap<i64, Lease>,
    /// Ends that were seen and right.
    pub ended: u64,
}

impl Leases {
    /// A grant was acknowledged that was sent at a time.
    pub fn granted(&mut self, id: i64, ttl: Duration, sent: Duration) {
        let least = (ttl * (100 - MARGIN_PERCENT) / 100).saturating_sub(MARGIN);
        self.known.insert(id, Lease { least, until: sent + least, revoked: false });
    }

    /// A keep-alive was acknowledged that was sent at a time.
    pub fn renewed(&mut self, id: i64, sent: Duration) {
        if let Some(lease) = self.known.get_mut(&id) {
            lease.until = lease.until.max(sent + lease.least);
        }
    }

    /// Somebody asks to revoke it: from now on it may end.
    pub fn revoke(&mut self, id: i64) {
        if let Some(lease) = self.known.get_mut(&id) {
            lease.revoked = true;
        }
    }

    /// The node was gone at a time and starts now: what lived then begins afresh.
    pub fn restarted(&mut self, gone: Duration, now: Duration) {
        for lease in self.known.values_mut().filter(|lease| lease.until > gone) {
            lease.until = lease.until.max(now + lease.least);
        }
    }

    /// Somebody saw that a lease has ended; what is wrong with that.
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
        // It may have ended before this node went.
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

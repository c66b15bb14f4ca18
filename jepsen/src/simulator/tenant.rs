//! [`Tenant`]: a client that uses leases. It grants a lease, attaches keys to it, and renews it for a while. Then it
//! revokes the lease or lets it expire.

use std::time::Duration;

use tonic::{Code, Status};

use super::audit::note;
use super::calls::{Caller, is_refused, is_unknown};
use super::leases::key_of;
use super::record::{Asked, Shared};
use super::trace::{Trace, simulated_now};
use crate::differential::dice::Dice;
use crate::pace;

/// Time-to-lives are 1 to this many seconds. The node accepts 1 and more.
const TTL_MAX: u64 = 2;
/// At most this many keys are attached to a lease.
const KEYS_MAX: u64 = 3;
/// A lease is renewed for at most this long, in milliseconds.
const HOLD_MILLIS_MAX: u64 = 2_500;
/// How many renewals there are within one time-to-live.
const BEATS: u32 = 3;
/// Pause after an error.
const RETRY: Duration = Duration::from_millis(30);
/// All leases must be gone this long after the last tenant has stopped. It covers the longest time-to-live, the longest
/// suspension (by which every lease is extended), one more attempt to expire a lease, and a margin.
pub const END_MAX: Duration = Duration::from_secs(12);

/// A client that uses leases.
pub struct Tenant {
    name: u64,
    caller: Caller,
    record: Shared,
    trace: Trace,
    dice: Dice,
    granted: u64,
}

impl Tenant {
    /// A tenant. Its name must differ from those of all other clients in the run.
    pub fn new(name: u64, caller: Caller, record: &Shared, trace: &Trace, seed: u64) -> Self {
        let dice = Dice::new(seed.wrapping_mul(37).wrapping_add(name));
        Tenant { name, caller, record: record.clone(), trace: trace.clone(), dice, granted: 0 }
    }

    /// Uses one lease after another until `go_on` returns false.
    pub async fn run(mut self, go_on: impl Fn() -> bool) {
        while go_on() {
            if let Some((id, ttl)) = self.grant().await {
                self.furnish(id).await;
                self.hold(id, ttl, &go_on).await;
                self.leave(id, ttl).await;
            }
            pace::pause(RETRY).await;
        }
    }

    fn line(&self, id: i64, what: &str, outcome: &Result<i64, Status>) {
        let outcome = outcome.as_ref().map_err(Status::code);
        self.trace.line(&format!("tenant {} lease {id} {what}: {outcome:?}", self.name));
    }

    /// Called when an answer says that the lease is gone. Checks that this is not too early.
    fn is_gone(&self, id: i64) {
        let gone = self.record.borrow_mut().leases.check_gone(id, simulated_now());
        self.record.borrow_mut().broken.extend(gone);
    }

    /// Grants a new lease. Returns its id and its time-to-live. Returns `None` if the call fails; then the lease may
    /// exist, but no tenant uses it.
    async fn grant(&mut self) -> Option<(i64, Duration)> {
        self.granted += 1;
        let id = i64::try_from(self.name * 1_000 + self.granted).expect("a small number");
        let asked = 1 + self.dice.below(TTL_MAX);
        let sent = simulated_now();
        let answer = self.caller.grant(id, i64::try_from(asked).expect("a small number")).await;
        self.line(id, "grant", &answer);
        match answer {
            Ok(ttl) => {
                let ttl = Duration::from_secs(ttl.unsigned_abs());
                if ttl != Duration::from_secs(asked) {
                    self.record.borrow_mut().broken.push(format!("lease {id} asked for {asked} s and got {ttl:?}"));
                }
                self.record.borrow_mut().leases.granted(id, ttl, sent);
                Some((id, ttl))
            }
            Err(status) => {
                note(&self.record, &status);
                None
            }
        }
    }

    async fn furnish(&mut self, id: i64) {
        for n in 0..=self.dice.below(KEYS_MAX) {
            let (key, value) = (key_of(id, n), format!("{}-{id}-{n}", self.name));
            let number = self.record.borrow_mut().send_leased(Asked::Put, &key, value, id);
            let operation = self.record.borrow().operations[number].clone();
            match self.caller.call(&operation).await {
                Ok(answer) => {
                    self.line(id, &format!("put {n}"), &Ok(answer.revision));
                    self.record.borrow_mut().answer(number, answer);
                }
                Err(status) => {
                    self.line(id, &format!("put {n}"), &Err(status.clone()));
                    let is_gone = status.code() == Code::NotFound;
                    if is_gone || is_refused(&status) {
                        self.record.borrow_mut().refuse(number);
                    }
                    if is_gone {
                        self.is_gone(id);
                        return;
                    }
                    note(&self.record, &status);
                }
            }
        }
    }

    async fn hold(&mut self, id: i64, ttl: Duration, go_on: &impl Fn() -> bool) {
        let end = simulated_now() + Duration::from_millis(self.dice.below(HOLD_MILLIS_MAX));
        while go_on() && simulated_now() < end {
            let sent = simulated_now();
            let answer = self.caller.keep_alive(id).await;
            self.line(id, "keep-alive", &answer);
            match answer {
                Ok(0) => return self.is_gone(id),
                Ok(_) => self.record.borrow_mut().leases.renewed(id, sent),
                Err(status) => note(&self.record, &status),
            }
            pace::pause(ttl / BEATS).await;
        }
    }

    /// Revokes the lease, or looks at it once more and lets it expire.
    async fn leave(&mut self, id: i64, ttl: Duration) {
        if self.dice.chance(40) {
            self.record.borrow_mut().leases.revoke(id);
            let answer = self.caller.revoke(id).await.map(|()| 0);
            self.line(id, "revoke", &answer);
            match answer {
                // `NotFound` is allowed: the lease has expired, or it was revoked and the answer was lost.
                Err(status) if status.code() != Code::NotFound => note(&self.record, &status),
                _ => {}
            }
            return;
        }
        let answer = self.caller.time_to_live(id).await;
        self.line(id, "time to live", &answer.clone().map(|(left, _)| left));
        match answer {
            Ok((left, _)) if left < 0 => self.is_gone(id),
            Ok((_, granted)) if Duration::from_secs(granted.unsigned_abs()) != ttl => {
                self.record.borrow_mut().broken.push(format!("lease {id} of {ttl:?} was granted {granted} s"));
            }
            Ok(_) => {}
            Err(status) => note(&self.record, &status),
        }
    }
}

/// Called when no tenant is left and no new fault begins. Waits until all leases have ended. If they have not within
/// [`END_MAX`], that is a violation.
pub async fn move_out(caller: &Caller, record: &Shared, trace: &Trace) {
    let end = simulated_now() + END_MAX;
    loop {
        let left = caller.leases().await;
        match &left {
            Ok(left) if left.is_empty() => break,
            Err(status) if !is_unknown(status) => note(record, status),
            _ => {}
        }
        if simulated_now() > end {
            record.borrow_mut().broken.push(format!("these leases never end: {left:?}"));
            break;
        }
        pace::pause(RETRY * 3).await;
    }
    trace.line("the wait for the end of all leases is over");
}

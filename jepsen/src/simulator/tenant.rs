//! [`Tenant`]: a client that lives on leases: grants one, hangs keys on it, keeps it alive for a while, and revokes it
//! or leaves it to its end.

use std::time::Duration;

use tonic::{Code, Status};

use super::audit::note;
use super::calls::{Caller, is_refused, is_unknown};
use super::leases::key_of;
use super::record::{Asked, Shared};
use super::trace::{Trace, simulated_now};
use crate::differential::dice::Dice;
use crate::pace;

/// Time-to-lives in seconds: from 1 to this. The node's least is 1.
const TTL_MAX: u64 = 2;
/// Keys on one lease, at most.
const KEYS_MAX: u64 = 3;
/// How long a lease is kept alive, at most.
const HOLD_MILLIS_MAX: u64 = 2_500;
/// Keep-alives come this often per time-to-live.
const BEATS: u32 = 3;
/// After an error.
const RETRY: Duration = Duration::from_millis(30);
/// All leases are gone so long after the last fault: the longest time-to-live, the longest suspension (it is granted
/// to all leases), one more try of an expiry, and slack.
pub const END_MAX: Duration = Duration::from_secs(12);

/// See the module.
pub struct Tenant {
    name: u64,
    caller: Caller,
    record: Shared,
    trace: Trace,
    dice: Dice,
    granted: u64,
}

impl Tenant {
    /// A tenant; names differ within a run, also from those of other clients.
    pub fn new(name: u64, caller: Caller, record: &Shared, trace: &Trace, seed: u64) -> Self {
        let dice = Dice::new(seed.wrapping_mul(37).wrapping_add(name));
        Tenant { name, caller, record: record.clone(), trace: trace.clone(), dice, granted: 0 }
    }

    /// Takes one lease after the other.
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

    /// Takes an answer that says that the lease is gone.
    fn is_gone(&self, id: i64) {
        let gone = self.record.borrow_mut().leases.check_gone(id, simulated_now());
        self.record.borrow_mut().broken.extend(gone);
    }

    /// A new lease. One whose grant has an unknown outcome is left to itself.
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

    /// Revokes the lease, or looks at it once more and leaves it to its end.
    async fn leave(&mut self, id: i64, ttl: Duration) {
        if self.dice.chance(40) {
            self.record.borrow_mut().leases.revoke(id);
            let answer = self.caller.revoke(id).await.map(|()| 0);
            self.line(id, "revoke", &answer);
            match answer {
                // It is gone: of itself, or by a revocation whose answer was lost.
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

/// Once no tenant is left and nothing fails any more: waits until all leases have ended, which must not take long.
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
    trace.line("all leases have ended");
}

//! [`Client`]: a client that makes random calls on a few keys, one after another.

use std::collections::BTreeMap;
use std::time::Duration;

use tonic::{Code, Status};

use super::audit::note;
use super::calls::{Caller, is_refused};
use super::record::{Answer, Asked, Shared};
use super::trace::Trace;
use crate::differential::dice::Dice;
use crate::pace;

/// There are only a few keys, so that clients affect each other.
const KEYS: u64 = 8;
/// A value may have at most this many bytes of padding.
const PADDING_MAX: u64 = 600;
/// A read at an older revision goes back at most this many revisions.
const PAST_MAX: i64 = 120;
/// Pause of a client after a call that ended with an error.
const RETRY: Duration = Duration::from_millis(30);

/// A client that makes random calls.
pub struct Client {
    name: u64,
    caller: Caller,
    record: Shared,
    trace: Trace,
    dice: Dice,
    sent: u64,
    /// The revision of each key's last change, as far as this client knows. 0 if the key did not exist.
    known: BTreeMap<String, i64>,
}

impl Client {
    /// A client. Its name must differ from those of other clients in the run, so that its values differ too.
    pub fn new(name: u64, caller: Caller, record: &Shared, trace: &Trace, seed: u64) -> Self {
        let dice = Dice::new(seed.wrapping_mul(31).wrapping_add(name));
        let (record, trace) = (record.clone(), trace.clone());
        Client { name, caller, record, trace, dice, sent: 0, known: BTreeMap::new() }
    }

    fn draw(&mut self) -> (Asked, String, String) {
        let key = format!("k{}", self.dice.below(KEYS));
        let expected = self.known.get(&key).copied().unwrap_or(0);
        let asked = match self.dice.below(11) {
            0..2 => Asked::Get,
            2..6 => Asked::Put,
            6 => Asked::Delete,
            7..10 => Asked::Swap { expected },
            _ => {
                let newest = self.record.borrow().floor;
                Asked::GetAt { revision: (newest - self.dice.below_signed(PAST_MAX)).max(1) }
            }
        };
        self.sent += 1;
        let padding = usize::try_from(self.dice.below(PADDING_MAX)).expect("a small number");
        let value = format!("{}-{}:{}", self.name, self.sent, "x".repeat(padding));
        (asked, key, value)
    }

    /// Makes one call and waits for its outcome.
    pub async fn step(&mut self) {
        let (asked, key, value) = self.draw();
        let label = format!("client {} {} {asked:?} {key}", self.name, self.sent);
        self.trace.line(&format!("{label} +{}", value.len()));
        let number = self.record.borrow_mut().send(asked.clone(), &key, value);
        let operation = self.record.borrow().operations[number].clone();
        match self.caller.call(&operation).await {
            Ok(answer) => {
                self.trace.line(&format!("{label} = {} {}", answer.revision, answer.written));
                self.learn(&asked, key, &answer);
                self.record.borrow_mut().answer(number, answer);
            }
            Err(status) => {
                self.trace.line(&format!("{label} ? {:?}", status.code()));
                self.refused(number, &status);
                pace::pause(RETRY).await;
            }
        }
    }

    /// Handles the error of a call. A read at an old revision may fail with `OutOfRange` only if a client has asked for
    /// a compaction at a later revision.
    fn refused(&mut self, number: usize, status: &Status) {
        let asked = self.record.borrow().operations[number].asked.clone();
        let compacted = self.record.borrow().compaction_asked;
        match asked {
            Asked::GetAt { revision } if status.code() == Code::OutOfRange && revision < compacted => {}
            _ => note(&self.record, status),
        }
        if is_refused(status) {
            self.record.borrow_mut().refuse(number);
        }
    }

    fn learn(&mut self, asked: &Asked, key: String, answer: &Answer) {
        if matches!(asked, Asked::GetAt { .. }) {
            return;
        }
        let revision = match (asked, answer.written) {
            (Asked::Delete, _) => 0,
            (_, true) => answer.revision,
            (_, false) => answer.found.as_ref().map_or(0, |(revision, _)| *revision),
        };
        self.known.insert(key, revision);
    }

    /// Makes calls, with random pauses, until `go_on` returns false.
    pub async fn run(mut self, go_on: impl Fn() -> bool) {
        while go_on() {
            self.step().await;
            if self.dice.chance(20) {
                let pause = Duration::from_millis(self.dice.below(10));
                pace::pause(pause).await;
            }
        }
    }
}

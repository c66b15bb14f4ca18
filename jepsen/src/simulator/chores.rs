//! [`Caretaker`]: a client that compacts, defragments and reconfigures while others read and write.

use std::time::Duration;

use tonic::{Code, Status};

use super::audit::note;
use super::calls::Caller;
use super::record::Shared;
use super::trace::Trace;
use crate::differential::dice::Dice;
use crate::pace;

/// Pause between two chores, in milliseconds: the shortest pause, and the limit of the random part that is added.
const PAUSE_MILLIS: (u64, u64) = (20, 350);
/// A compaction keeps fewer than this many revisions that it could remove.
const LEFT_MAX: i64 = 30;

/// The kinds of loglets, as `naxos ctl` names them.
pub const NATIVE: &str = "native";
pub const CORFU: &str = "corfu";
/// This percentage of the reconfigurations goes to the kind of loglets that is not the kind of the run.
const OTHER_KIND_PERCENT: u64 = 25;

/// A client that compacts, defragments and reconfigures.
pub struct Caretaker {
    caller: Caller,
    record: Shared,
    trace: Trace,
    dice: Dice,
    /// The kind of loglets on which most of the run takes place. `None` leaves the kind as it is.
    kind: Option<&'static str>,
}

impl Caretaker {
    /// The caretaker of a run. There is only one. `kind` is the kind of loglets on which most of the run takes place.
    /// `None` leaves the kind as it is.
    pub fn new(caller: Caller, record: &Shared, trace: &Trace, seed: u64, kind: Option<&'static str>) -> Self {
        let dice = Dice::new(seed ^ 0xca5e);
        Caretaker { caller, record: record.clone(), trace: trace.clone(), dice, kind }
    }

    /// The kind of the next loglet.
    fn next_kind(&mut self) -> &'static str {
        match self.kind {
            None => "",
            Some(kind) if !self.dice.chance(OTHER_KIND_PERCENT) => kind,
            Some(CORFU) => NATIVE,
            Some(_) => CORFU,
        }
    }

    /// Moves the log to a loglet of the run's kind. Tries until that succeeds.
    async fn begin(&self) {
        let Some(kind) = self.kind.filter(|kind| *kind != NATIVE) else { return };
        while let Err(status) = self.caller.reconfigure(kind).await {
            note(&self.record, &status);
            pace::pause(Duration::from_millis(PAUSE_MILLIS.0)).await;
        }
        self.trace.line(&format!("the log is on {kind} loglets"));
    }

    /// Does one chore after another. Never returns.
    pub async fn run(mut self) {
        self.begin().await;
        loop {
            let pause = PAUSE_MILLIS.0 + self.dice.below(PAUSE_MILLIS.1);
            pace::pause(Duration::from_millis(pause)).await;
            let (what, outcome) = match self.dice.below(10) {
                0..5 => ("compact", self.compact().await),
                5..8 => {
                    let kind = self.next_kind();
                    ("reconfigure", self.caller.reconfigure(kind).await.map(drop))
                }
                _ => ("defragment", self.caller.defragment().await),
            };
            self.trace.line(&format!("{what}: {:?}", outcome.as_ref().map_err(Status::code)));
            match outcome {
                Ok(()) => self.record.borrow_mut().chores += 1,
                Err(status) => note(&self.record, &status),
            }
        }
    }

    /// Compacts only revisions that a reading of the history has seen, so that [`super::check`] knows the whole
    /// history. Does nothing if the drawn revision is not newer than that of the last compaction.
    async fn compact(&mut self) -> Result<(), Status> {
        let (read, asked) = {
            let record = self.record.borrow();
            (record.audited.last().map_or(0, |last| last.revision), record.compaction_asked)
        };
        let revision = read - self.dice.below_signed(LEFT_MAX);
        if revision <= asked {
            return Ok(());
        }
        self.record.borrow_mut().compaction_asked = revision;
        self.trace.line(&format!("compact to {revision}"));
        match self.caller.compact(revision, self.dice.chance(30)).await {
            Ok(()) => {
                self.record.borrow_mut().compaction_done = revision;
                Ok(())
            }
            Err(status) if status.code() == Code::OutOfRange => {
                Err(Status::data_loss(format!("revision {revision} cannot be compacted: {}", status.message())))
            }
            Err(status) => Err(status),
        }
    }
}

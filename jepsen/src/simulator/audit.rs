//! Reads the history of all changes in two ways. [`follow`] keeps one watch open and resumes it after crashes.
//! [`repeat`] reads everything again and again, from the first revision that is not compacted.

use std::time::Duration;

use tonic::Status;

use super::calls::{Caller, Missed, is_refused, is_unknown};
use super::record::{Change, Record, Shared};
use super::trace::{Trace, fnv, simulated_now};
use crate::pace;

/// How long one reading may take.
const READING_MAX: Duration = Duration::from_secs(2);
/// How long after the last reading a watch may take to receive the last change.
const WATCH_MAX: Duration = Duration::from_secs(5);
/// Pause before the next attempt after a watch or a reading has failed.
const RETRY: Duration = Duration::from_millis(50);

/// Follows all changes by the watch with the number `watch`, which is opened again when it ends. Never returns.
pub async fn follow(watch: usize, caller: Caller, record: Shared, trace: Trace) {
    record.borrow_mut().watched.entry(watch).or_default();
    loop {
        let from = record.borrow().watched_up_to(watch) + 1;
        match follow_once(watch, &caller, &record, &trace, from).await {
            Missed::Compacted(compacted) => {
                trace.line(&format!("watch {watch} from {from} is behind compaction {compacted}"));
                record.borrow_mut().skip_compacted(watch, from, compacted);
            }
            Missed::Other(status) => {
                trace.line(&format!("watch {watch} from {from} ended {:?}", status.code()));
                note(&record, &status);
            }
        }
        pace::pause(RETRY).await;
    }
}

async fn follow_once(watch: usize, caller: &Caller, record: &Shared, trace: &Trace, from: i64) -> Missed {
    let mut watching = match caller.watch(from).await {
        Ok(watching) => watching,
        Err(status) => return status.into(),
    };
    loop {
        match watching.next().await {
            Ok(changes) => {
                let revisions = changes.first().zip(changes.last()).map(|(a, b)| (a.revision, b.revision));
                trace.line(&format!("watch {watch} {revisions:?}"));
                record.borrow_mut().watch(watch, changes, simulated_now());
            }
            Err(missed) => return missed,
        }
    }
}

/// Records `status` as a violation, unless it is allowed. Two kinds of errors are allowed: those that leave the outcome
/// of the call unknown, and refusals while the node's disk fails.
pub(super) fn note(record: &Shared, status: &Status) {
    let excused = is_refused(status) && record.borrow().disk_fails;
    if !is_unknown(status) && !excused {
        record.borrow_mut().broken.push(format!("an answer that is not allowed: {status:?}"));
    }
}

/// Reads the history once, from the first revision that is not compacted. Returns false if a call fails or the reading
/// takes too long.
pub async fn read(caller: &Caller, record: &Shared, trace: &Trace) -> bool {
    let known = record.borrow().audited.len();
    let reading = pace::within(READING_MAX, history(caller, record)).await;
    match reading.unwrap_or_else(|| Err(Status::deadline_exceeded("a reading of the history"))) {
        Ok((from, changes)) => {
            let hash = fnv(format!("{changes:?}").as_bytes());
            trace.line(&format!("audit from {from}: {} changes {hash:016x}", changes.len()));
            record.borrow_mut().audit(from, changes, known);
            true
        }
        Err(status) => {
            trace.line(&format!("audit ended {:?}", status.code()));
            note(record, &status);
            false
        }
    }
}

/// The first revision that is not compacted, and all changes from that revision on.
async fn history(caller: &Caller, record: &Shared) -> Result<(i64, Vec<Change>), Status> {
    let newest = caller.revision().await?;
    let mut from = record.borrow().compaction_done + 1;
    loop {
        match changes_from(caller, from, newest).await {
            Ok(changes) => return Ok((from, changes)),
            Err(Missed::Compacted(compacted)) if compacted >= from => from = compacted + 1,
            Err(Missed::Compacted(compacted)) => {
                return Err(Status::data_loss(format!(
                    "a watch from {from} ended as compacted, although only revisions up to {compacted} are compacted"
                )));
            }
            Err(Missed::Other(status)) => return Err(status),
        }
    }
}

async fn changes_from(caller: &Caller, from: i64, newest: i64) -> Result<Vec<Change>, Missed> {
    let mut changes: Vec<Change> = Vec::new();
    if newest == 1 || newest < from {
        return Ok(changes);
    }
    let mut watching = caller.watch(from).await?;
    while changes.last().is_none_or(|last| last.revision < newest) {
        changes.extend(watching.next().await?);
    }
    Ok(changes)
}

/// Reads the history again and again. Never returns.
pub async fn repeat(caller: Caller, record: Shared, trace: Trace, pause: Duration) {
    loop {
        let done = read(&caller, &record, &trace).await;
        pace::pause(if done { pause } else { RETRY }).await;
    }
}

/// Waits until each watch has received the last change of the history, for `WATCH_MAX` at most. Then checks that each
/// watch has received all changes. Called after [`finish`]; no client may write meanwhile.
pub async fn finish_watches(record: &Shared, trace: &Trace) {
    let end = simulated_now() + WATCH_MAX;
    let last = record.borrow().audited.last().map_or(1, |last| last.revision);
    let is_behind = |record: &Record| record.watched.keys().any(|watch| record.watched_up_to(*watch) < last);
    while is_behind(&record.borrow()) && simulated_now() < end {
        pace::pause(RETRY).await;
    }
    trace.line(&format!("watches are to have revision {last}"));
    record.borrow_mut().check_watches_are_whole();
}

/// Reads the history until one reading succeeds. The keys that the node then returns must be those that the history
/// leads to. No client may write meanwhile.
pub async fn finish(caller: &Caller, record: &Shared, trace: &Trace) {
    loop {
        if read(caller, record, trace).await {
            let state = match caller.all().await {
                Ok((_, state)) => caller.checksum().await.map(|sum| (state, sum)),
                Err(status) => Err(status),
            };
            match state {
                Ok((state, sum)) => {
                    let expected: Vec<Change> = Record::final_state(&record.borrow().audited).into_values().collect();
                    trace.line(&format!("end {} keys, store {sum:08x}", state.len()));
                    if state != expected {
                        record.borrow_mut().broken.push(format!("keys are {state:?}, the history says {expected:?}"));
                    }
                    return;
                }
                Err(status) => note(record, &status),
            }
        }
        pace::pause(RETRY).await;
    }
}

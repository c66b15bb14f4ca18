//! Reads of the whole history: by a watch that lives on over crashes, and from its start, again and again.

use std::time::Duration;

use tonic::Status;

use super::calls::{Caller, is_unknown};
use super::record::{Change, Record, Shared};
use super::trace::{Trace, fnv};
use crate::pace;

/// How long one reading may take.
const READING_MAX: Duration = Duration::from_secs(2);
/// Before the next try, and between two readings.
const RETRY: Duration = Duration::from_millis(50);

/// Follows all changes until dropped.
pub async fn follow(caller: Caller, record: Shared, trace: Trace) {
    loop {
        let from = record.borrow().watched.last().map_or(1, |last| last.revision) + 1;
        let status = follow_once(&caller, &record, &trace, from).await;
        trace.line(&format!("watch from {from} ended {:?}", status.code()));
        note(&record, &status);
        pace::pause(RETRY).await;
    }
}

async fn follow_once(caller: &Caller, record: &Shared, trace: &Trace, from: i64) -> Status {
    let mut watching = match caller.watch(from).await {
        Ok(watching) => watching,
        Err(status) => return status,
    };
    loop {
        match watching.next().await {
            Ok(changes) => {
                let revisions = changes.first().zip(changes.last()).map(|(a, b)| (a.revision, b.revision));
                trace.line(&format!("watch {revisions:?}"));
                record.borrow_mut().watch(changes);
            }
            Err(status) => return status,
        }
    }
}

/// An answer that the workload must never get.
pub(super) fn note(record: &Shared, status: &Status) {
    if !is_unknown(status) {
        record.borrow_mut().broken.push(format!("an answer that cannot be: {status:?}"));
    }
}

/// Reads the history from its start, once; false when the node was not there to the end.
pub async fn read(caller: &Caller, record: &Shared, trace: &Trace) -> bool {
    let reading = pace::within(READING_MAX, history(caller)).await;
    match reading.unwrap_or_else(|| Err(Status::deadline_exceeded("a reading of the history"))) {
        Ok(changes) => {
            let hash = fnv(format!("{changes:?}").as_bytes());
            trace.line(&format!("audit {} changes {hash:016x}", changes.len()));
            record.borrow_mut().audit(changes);
            true
        }
        Err(status) => {
            trace.line(&format!("audit ended {:?}", status.code()));
            note(record, &status);
            false
        }
    }
}

async fn history(caller: &Caller) -> Result<Vec<Change>, Status> {
    let newest = caller.revision().await?;
    let mut changes: Vec<Change> = Vec::new();
    if newest == 1 {
        return Ok(changes);
    }
    let mut watching = caller.watch(1).await?;
    while changes.last().is_none_or(|last| last.revision < newest) {
        changes.extend(watching.next().await?);
    }
    Ok(changes)
}

/// Reads the history again and again until dropped.
pub async fn repeat(caller: Caller, record: Shared, trace: Trace, pause: Duration) {
    loop {
        let done = read(&caller, &record, &trace).await;
        pace::pause(if done { pause } else { RETRY }).await;
    }
}

/// The last reading, once nobody writes any more: history and keys agree.
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

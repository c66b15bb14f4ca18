//! [`run`]: looks at a node whose disk fails: it reads, it says why it does not write, and its checks fail.

use std::time::Duration;

use tonic::Status;

use super::calls::{Caller, is_refused, is_unknown};
use super::fault::NODE;
use super::host::PORT;
use super::net::http_status;
use super::record::{Asked, Shared};
use super::trace::{Trace, simulated_now};
use crate::pace;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The key that must not be written.
const KEY: &str = "doctor";

/// What a full disk is called.
pub(super) const FULL: &str = "disk is full";
/// A segment freed just before the disk's room is taken away again is believed to be there for a second, by a clock that
/// may be slow: writes go on for so long, and are refused after it.
const ROOM_IS_BELIEVED: Duration = Duration::from_millis(1_300);
/// So often is it tried again.
const MORE_TRIES: u32 = 2;

/// Examines every sickness once, until dropped.
pub async fn run(caller: Caller, record: Shared, trace: Trace) {
    let mut examined = None;
    loop {
        pace::pause(LOOK_EVERY).await;
        let sick = record.borrow().sick;
        if let Some((from, says)) = sick
            && examined != sick
            && simulated_now() >= from
        {
            examined = sick;
            let found = examine(&caller, &record, says).await;
            trace.line(&format!("doctor: {says:?} {found:?}"));
            // A node that was ended meanwhile says nothing.
            if record.borrow().sick == sick {
                record.borrow_mut().examined += 1;
                record.borrow_mut().broken.extend(found.into_iter().map(|what| format!("sick ({says}): {what}")));
            }
        }
    }
}

/// All that is wrong.
async fn examine(caller: &Caller, record: &Shared, says: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Err(status) = caller.revision().await {
        wrong.push(format!("reads do not serve: {status:?}"));
    }
    let mut written = put(caller, record).await;
    for _ in 0..MORE_TRIES {
        if written.is_ok() && says == FULL {
            pace::pause(ROOM_IS_BELIEVED).await;
            written = put(caller, record).await;
        }
    }
    match written {
        Ok(()) => wrong.push("a write is acknowledged".to_owned()),
        // A full disk refuses for the time being; a failed one leaves open what became of the write that met it.
        Err(status) if (is_refused(&status) || is_unknown(&status)) && status.message().contains(says) => {}
        Err(status) => wrong.push(format!("a write is not refused clearly: {status:?}")),
    }
    match http_status(NODE, PORT, "/readyz").await {
        Ok(503) => {}
        other => wrong.push(format!("/readyz answers {other:?}")),
    }
    wrong
}

async fn put(caller: &Caller, record: &Shared) -> Result<(), Status> {
    let value = format!("doctor-{}", simulated_now().as_micros());
    let number = record.borrow_mut().send(Asked::Put, KEY, value);
    let operation = record.borrow().operations[number].clone();
    match caller.call(&operation).await {
        Ok(answer) => {
            record.borrow_mut().answer(number, answer);
            Ok(())
        }
        Err(status) => {
            if !is_unknown(&status) {
                record.borrow_mut().refuse(number);
            }
            Err(status)
        }
    }
}

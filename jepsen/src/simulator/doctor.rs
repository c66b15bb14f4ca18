//! [`run`]: examines a node whose disk fails. It must serve reads, say why it does not write, and fail its health
//! checks.

use std::time::Duration;

use tonic::Status;

use super::calls::{Caller, is_refused, is_unknown};
use super::fault::NODE;
use super::host::PORT;
use super::net::http_status;
use super::record::{Asked, Shared};
use super::trace::{Trace, simulated_now};
use crate::pace;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A key whose write must be refused.
const KEY: &str = "doctor";

/// The text with which the node reports a full disk.
pub(super) const FULL: &str = "disk is full";
/// How long the node may still accept writes although the disk is full. The node looks at the free space once a second,
/// and its clock may be slow. If it looks after it has freed a segment and before the simulator takes that room away,
/// it accepts writes until it looks again.
const ROOM_IS_BELIEVED: Duration = Duration::from_millis(1_300);
/// If a write to a full disk succeeds, at most this many more writes are tried. One of them must be refused.
const MORE_TRIES: u32 = 2;

/// Examines the node once each time the record says that it is sick. Never returns.
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
            // The result does not count if the node was ended during the examination, or if the disk got room again.
            if record.borrow().sick == sick {
                record.borrow_mut().examined += 1;
                record.borrow_mut().broken.extend(found.into_iter().map(|what| format!("sick ({says}): {what}")));
            }
        }
    }
}

/// Examines a sick node, which must report the text `says`. Returns everything that is wrong, one text for each.
async fn examine(caller: &Caller, record: &Shared, says: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Err(status) = caller.revision().await {
        wrong.push(format!("the node does not serve reads: {status:?}"));
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
        // If the disk is full, the write is refused. If the disk fails, the outcome of the write that met the error is
        // unknown.
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

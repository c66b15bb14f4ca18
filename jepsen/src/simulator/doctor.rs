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
    match put(caller, record).await {
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

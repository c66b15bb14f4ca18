//! [`converge`]: after the last fault the cluster must serve again on every node, be reconfigured, and have all copies of
//! the log, within a bound.

use std::time::Duration;

use naxos_proto::control::{UnitStatus, UnitsResponse};

use super::super::calls::Caller;
use super::super::record::{Asked, Shared};
use super::super::trace::{Trace, simulated_now};
use super::pinned::pinned;
use crate::pace;

/// How long each node may take to serve a write after the clients have stopped. It covers the time until the last host
/// is up again, its start, and one failed connection.
const SERVE_MAX: Duration = Duration::from_secs(8);
/// How long a reconfiguration may take once every node serves.
const RECONFIGURE_MAX: Duration = Duration::from_secs(3);
/// How long it may take until each segment has all its copies. A node looks for what is missing every 5 s.
const COPY_MAX: Duration = Duration::from_secs(12);
/// Pause between two attempts.
const RETRY: Duration = Duration::from_millis(50);
/// The key that is written.
const KEY: &str = "converge";

/// Writes through each node, reconfigures the log through the first one, and waits until all copies of the log are there.
/// What does not succeed in time is a violation.
pub async fn converge(names: &[&'static str], record: &Shared, trace: &Trace) {
    let begun = simulated_now();
    for name in names {
        let caller = pinned(name);
        let mut last = None;
        let serves = loop {
            match put(&caller, name, record).await {
                Ok(()) => break true,
                Err(why) => last = Some(why),
            }
            // A disk with wrong bits is emptied only when the others have recovered, perhaps long after the last fault.
            if simulated_now() > begun.max(record.borrow().emptied) + SERVE_MAX {
                break false;
            }
            pace::pause(RETRY).await;
        };
        trace.line(&format!("converge: {name} serves: {serves}"));
        if !serves {
            let what = format!("{name} does not serve {SERVE_MAX:?} after the clients have stopped: {last:?}");
            record.borrow_mut().broken.push(what);
        }
    }
    let caller = pinned(names[0]);
    let begun = simulated_now();
    while let Err(status) = caller.reconfigure("").await {
        if simulated_now() > begun + RECONFIGURE_MAX {
            record.borrow_mut().broken.push(format!("the log cannot be reconfigured: {status:?}"));
            return;
        }
        pace::pause(RETRY).await;
    }
    trace.line("converge: the log is reconfigured");
    have_all_copies(&caller, record, trace).await;
}

/// Waits until each segment names only units that are there and that have all its cells.
async fn have_all_copies(caller: &Caller, record: &Shared, trace: &Trace) {
    let begun = simulated_now();
    loop {
        let answer = caller.units().await;
        if answer.as_ref().is_ok_and(is_whole) {
            return trace.line("converge: each unit has all cells of its segments");
        }
        if simulated_now() > begun + COPY_MAX {
            return record.borrow_mut().broken.push(format!("a segment has a copy too few: {answer:?}"));
        }
        pace::pause(RETRY).await;
    }
}

fn is_whole(answer: &UnitsResponse) -> bool {
    let is_whole = |unit: &UnitStatus| !unit.is_lost && unit.silent == 0 && unit.lacks == 0;
    answer.seen == answer.segments && answer.units.iter().all(is_whole)
}

async fn put(caller: &Caller, name: &str, record: &Shared) -> Result<(), String> {
    let value = format!("converge-{name}-{}", simulated_now().as_micros());
    let number = record.borrow_mut().send(Asked::Put, KEY, value);
    let operation = record.borrow().operations[number].clone();
    let answer = caller.call(&operation).await.map_err(|status| format!("{status:?}"))?;
    record.borrow_mut().answer(number, answer);
    Ok(())
}

//! One seed: builds the simulation, drives it to its end and checks it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all};
use naxos_sim::{TurmoilNet, world};
use turmoil::Sim;

use super::calls::Caller;
use super::chores::Caretaker;
use super::fault::{CLIENT, Faults, NODE};
use super::host::{Host, PORT};
use super::net::channel;
use super::process_clock;
use super::record::Shared;
use super::tenant::{Tenant, move_out};
use super::trace::Trace;
use super::workload::Client;
use super::{audit, check, doctor};
use crate::differential::dice::Dice;

/// How long clients make calls and faults happen, in simulated time.
const BUSY: Duration = Duration::from_secs(4);
/// A run that has not ended by this time counts as hanging.
const END_MAX: Duration = Duration::from_secs(25);
/// Pause between two readings of the whole history.
const AUDIT_PAUSE: Duration = Duration::from_millis(150);

/// The name of the first [`Tenant`], a client that uses leases. The names of the further tenants are the next numbers.
/// Clients of other kinds have smaller numbers as names.
const TENANTS: u64 = 10;

/// The result of a seed.
#[derive(Debug)]
pub struct Outcome {
    /// The trace of the whole run.
    pub trace: Trace,
    /// Violations that were found. Empty if all is well.
    pub broken: Vec<String>,
    /// A line of `name=number` pairs.
    pub summary: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trace={:016x} {}", self.trace.hash(), self.summary)
    }
}

/// Runs a seed. Call it only once in a process: see the invariant of [`super`].
pub fn run(seed: u64) -> Outcome {
    let (trace, record) = (Trace::default(), Shared::default());
    let host = Host::alone(NODE, seed);
    let heard = trace.clone();
    host.drive().set_trace(Some(Arc::new(move |line: &str| heard.line(&format!("disk {line}")))));
    let mut sim = world(seed, END_MAX * 2);
    let node = host.clone();
    sim.host(NODE, move || {
        let node = node.clone();
        async move { Ok(node.run(Arc::new(TurmoilNet)).await?) }
    });
    sim.client(CLIENT, clients(seed, record.clone(), trace.clone()));
    let mut faults = Faults::new(host.clone(), record.clone(), trace.clone(), seed, BUSY);
    let end = drive(&mut sim, &trace, END_MAX, |sim| {
        faults.step(sim);
        Ok(())
    });
    let elapsed = sim.elapsed();
    // Destructors run after the simulation, so what they do does not belong to the run.
    host.drive().set_trace(None);
    host.drive().crash();
    drop(sim);

    let record = record.borrow();
    let mut broken: Vec<String> = check::violations(&record);
    broken.extend(end.err());
    let broken = broken.into_iter().map(|what| shortened(&what)).collect();
    let (acknowledged, unknown) = record.outcomes();
    let summary = format!(
        "lines={} acknowledged={acknowledged} writes={} unknown={unknown} boots={} crashes={} freezes={} stops={} \
         partitions={} leaps={} disk_errors={} full_disks={} self_ended={} examined={} chores={} compacted={} leases_ended={} \
         audits={} revisions={} simulated={}ms",
        trace.count(),
        record.writes(),
        host.boots(),
        faults.crashes,
        faults.freezes,
        faults.stops,
        faults.cuts,
        faults.leaps,
        faults.disk_errors,
        faults.full_disks,
        faults.self_ended,
        record.examined,
        record.chores,
        record.compaction_done,
        record.leases.ended,
        record.audits,
        record.floor,
        elapsed.as_millis(),
    );
    Outcome { trace, broken, summary }
}

/// The same text, in which the padding of each value is only one `x`.
pub(super) fn shortened(what: &str) -> String {
    let mut short = String::with_capacity(what.len());
    for c in what.chars() {
        if c != 'x' || !short.ends_with('x') {
            short.push(c);
        }
    }
    short
}

/// Drives the simulation until its clients have ended. Calls `after_step` after each step; its error ends the run. A
/// panic in a host also ends the run. So the trace up to the panic can be read.
pub(super) fn drive(
    sim: &mut Sim<'_>,
    trace: &Trace,
    end_max: Duration,
    mut after_step: impl FnMut(&mut Sim<'_>) -> Result<(), String>,
) -> Result<(), String> {
    loop {
        match catch_unwind(AssertUnwindSafe(|| sim.step())) {
            Ok(Ok(true)) => return Ok(()),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => return Err(format!("at {:?}: {error}", sim.elapsed())),
            Err(_) => return Err(format!("at {:?}: a host panicked, see above", sim.elapsed())),
        }
        process_clock::set(sim.elapsed());
        trace.set_between(sim.elapsed());
        if sim.elapsed() > end_max {
            return Err("the run does not end: clients wait for a node that does not serve".to_owned());
        }
        after_step(sim).map_err(|error| format!("at {:?}: {error}", sim.elapsed()))?;
    }
}

/// Runs everything on the clients' host: clients of all kinds, a watch, and readings of the history. After that it
/// waits until all leases have ended, and reads the history a last time.
async fn clients(seed: u64, record: Shared, trace: Trace) -> turmoil::Result {
    let caller = || Caller::new(channel(vec![NODE], PORT));
    let mut dice = Dice::new(seed);
    let (writers, tenants) = (2 + dice.below(4), 1 + dice.below(3));
    let busy = || turmoil::sim_elapsed().is_some_and(|elapsed| elapsed < BUSY);
    let work = (0..writers).map(|name| Client::new(name, caller(), &record, &trace, seed).run(busy));
    let live = (0..tenants).map(|n| Tenant::new(TENANTS + n, caller(), &record, &trace, seed).run(busy));
    let mut follow = pin!(audit::follow(0, caller(), record.clone(), trace.clone()));
    let audits = audit::repeat(caller(), record.clone(), trace.clone(), AUDIT_PAUSE);
    let chores = Caretaker::new(caller(), &record, &trace, seed, None).run();
    let examine = doctor::run(caller(), record.clone(), trace.clone());
    tokio::select! {
        biased;
        _ = join(join_all(work), join_all(live)) => {}
        () = &mut follow => {}
        () = audits => {}
        () = chores => {}
        () = examine => {}
    }
    let settle = async {
        move_out(&caller(), &record, &trace).await;
        audit::finish(&caller(), &record, &trace).await;
        audit::finish_watches(&record, &trace).await;
    };
    tokio::select! {
        biased;
        () = settle => {}
        () = follow => {}
    }
    Ok(())
}

//! What clients do while faults happen: some write and read through any node, and on each node one watches, one
//! watches with options, and one reads the whole history again and again.

use std::pin::pin;
use std::time::Duration;

use futures::future::{join, join_all};

use super::super::audit;
use super::super::calls::Caller;
use super::super::chores::{CORFU, Caretaker, NATIVE};
use super::super::host::{Host, PORT};
use super::super::net::channel;
use super::super::record::Shared;
use super::super::tenant::{Tenant, move_out};
use super::super::trace::Trace;
use super::super::workload::Client;
use super::converge::converge;
use super::observer::Observer;
use super::pinned::pinned;
use super::reached::Reached;
use super::registrar::Registrar;
use crate::differential::dice::Dice;
use crate::pace;

/// Pause between two readings of the whole history on one node.
const AUDIT_PAUSE: Duration = Duration::from_millis(400);
/// The name of the first [`Tenant`]. All other clients have smaller numbers as names.
const TENANTS: u64 = 10;
/// How long nothing is written at the end of some runs. Every node, and every follower of the log, must get the last entries
/// although no further ones follow.
const QUIET: Duration = Duration::from_secs(4);
/// Each run whose seed is a multiple of this ends with [`QUIET`].
const QUIET_EVERY: u64 = 4;

/// A client that begins with one node and goes on to the next one when its connection breaks.
fn roaming(names: &[&'static str], first: u64) -> Caller {
    let mut hosts = names.to_vec();
    let first = usize::try_from(first).expect("a small number") % names.len();
    hosts.rotate_left(first);
    Caller::new(channel(hosts, PORT))
}

/// What the clients of a run have in common.
pub struct People {
    /// The members that serve clients when the run begins.
    pub names: Vec<&'static str>,
    /// The host of a member that is added later.
    pub newcomer: Option<Host>,
    /// The seed of the run.
    pub seed: u64,
    /// What the clients note.
    pub record: Shared,
    /// The trace of the run.
    pub trace: Trace,
}

/// Runs all clients until `busy` has passed, then waits until the cluster has recovered, and checks it.
pub async fn run(people: People, busy: Duration, reached: Reached) -> turmoil::Result {
    let People { mut names, newcomer, seed, record, trace } = people;
    let mut dice = Dice::new(seed);
    let (writers, tenants) = (3 + dice.below(4), 1 + dice.below(2));
    let is_busy = || turmoil::sim_elapsed().is_some_and(|elapsed| elapsed < busy);
    let work = (0..writers).map(|n| Client::new(n, roaming(&names, n), &record, &trace, seed).run(is_busy));
    let live = (0..tenants).map(|n| {
        let name = TENANTS + n;
        Tenant::new(name, roaming(&names, name), &record, &trace, seed).run(is_busy)
    });
    let follow =
        |(watch, name): (usize, &&'static str)| audit::follow(watch, pinned(name), record.clone(), trace.clone());
    let observe = |(n, name): (u64, &&'static str)| {
        Observer::new(name, pinned(name), seed.wrapping_mul(41).wrapping_add(n), &record, &trace, &reached)
    };
    let observers: Vec<Observer> = (0..).zip(&names).map(observe).collect();
    let observing = join_all(observers.iter().cloned().map(Observer::run));
    let mut follows = pin!(join(join_all(names.iter().enumerate().map(follow)), observing));
    let read = |name: &&'static str| audit::repeat(pinned(name), record.clone(), trace.clone(), AUDIT_PAUSE);
    let audits = join_all(names.iter().map(read));
    let kind = if seed.is_multiple_of(2) { NATIVE } else { CORFU };
    let chores = Caretaker::new(roaming(&names, dice.below(8)), &record, &trace, seed, Some(kind)).run();
    let caller = roaming(&names, dice.below(8));
    let mut registrar = newcomer.map(|host| Registrar::new(caller, host, &trace, &reached, seed));
    let changes = async {
        match &mut registrar {
            Some(registrar) => registrar.run().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        _ = join(join_all(work), join_all(live)) => {}
        _ = &mut follows => {}
        _ = audits => {}
        () = chores => {}
        () = changes => {}
    }
    let settle = async {
        if let Some(registrar) = &mut registrar
            && registrar.settle(&record).await
        {
            names.push(registrar.name());
        }
        converge(&names, &record, &trace).await;
        move_out(&roaming(&names, 0), &record, &trace).await;
        for name in &names {
            audit::finish(&pinned(name), &record, &trace).await;
        }
        audit::finish_watches(&record, &trace).await;
        for observer in &observers {
            observer.finish().await;
        }
        if seed.is_multiple_of(QUIET_EVERY) {
            record.borrow_mut().is_quiet = true;
            pace::pause(QUIET).await;
        }
    };
    tokio::select! {
        biased;
        () = settle => {}
        _ = follows => {}
    }
    Ok(())
}

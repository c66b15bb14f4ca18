//! One seed of a cluster: builds the simulation, drives it to its end and checks it.

use std::sync::Arc;
use std::time::Duration;

use naxos::node::probe::View;
use naxos_proto::chain::LogletKind;
use naxos_proto::role::Role;
use naxos_sim::{TurmoilNet, world};

use super::super::check;
use super::super::fault::CLIENT;
use super::super::host::Host;
use super::super::record::Shared;
use super::super::run::{Outcome, drive, shortened};
use super::super::trace::Trace;
use super::clients;
use super::extra::Extra;
use super::faults::Faults;
use super::invariants::{FollowersArrive, Invariants};
use super::links::Links;
use super::logged;
use super::reached::Reached;
use super::seat::Seat;
use super::twin::{TWIN, Twin};
use crate::differential::dice::Dice;

/// The names of the members that serve clients. A run with `n` such members uses the first `n` names.
pub const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
/// How many members serve clients if the parts of the cluster run on hosts of their own.
const FRONT_ENDS: usize = 2;
/// The other members of such a cluster, with their roles.
const PARTS: [(&str, Role); 5] = [
    ("l0", Role::LogServer),
    ("l1", Role::LogServer),
    ("l2", Role::LogServer),
    ("s0", Role::Sequencer),
    ("s1", Role::Sequencer),
];
/// In such a cluster the time between two faults of a host or a link is this many times as long as in a cluster of
/// whole nodes. There are more hosts and links, and faults of several of them at the same time stop the cluster.
const PARTS_CALMNESS: u64 = 3;
/// The name of a member that is added while the cluster works.
pub const NEWCOMER: &str = "new";
/// How long clients make calls, in simulated time.
const BUSY: Duration = Duration::from_secs(8);
/// From this time on no new fault is drawn. A drive that was to freeze at one of its next syncs may still freeze.
/// Clients go on, so that they see the cluster recover.
const CALM: Duration = Duration::from_secs(7);
/// The trace shows what each node holds at times that are a multiple of this number of milliseconds.
const VIEW_EVERY: u128 = 20;
/// The changes of the kind of loglets that count as rare events.
const MOVES: [(LogletKind, LogletKind, &str); 2] = [
    (LogletKind::NATIVE, LogletKind::CORFU, "native_to_corfu"),
    (LogletKind::CORFU, LogletKind::NATIVE, "corfu_to_native"),
];
/// A run that has not ended by this time counts as hanging.
const END_MAX: Duration = Duration::from_secs(45);

/// Runs a seed with this many members. With [`Extra::Parts`] the members are always the same, and `members` is not
/// used. Call it only once in a process: see the invariant of [`super::super`].
pub fn run(seed: u64, members: usize, extras: &[Extra]) -> Outcome {
    let parts: &[(&str, Role)] = if extras.contains(&Extra::Parts) { &PARTS } else { &[] };
    // The members that serve clients.
    let names = NAMES[..if parts.is_empty() { members } else { FRONT_ENDS }].to_vec();
    let listed: Vec<&str> = names.iter().copied().chain(parts.iter().map(|(name, _)| *name)).collect();
    let (trace, record, reached) = (Trace::default(), Shared::default(), Reached::default());
    let _collecting = logged::collect(&trace, &reached);
    let mut sim = world(seed, END_MAX * 2);
    let mut seats = Vec::new();
    let grows = extras.contains(&Extra::Newcomer);
    let calmness = if parts.is_empty() { 1 } else { PARTS_CALMNESS };
    let role_of_names = if parts.is_empty() { Role::Node } else { Role::FrontEnd };
    let hosts = names.iter().map(|name| (*name, role_of_names)).chain(parts.iter().copied());
    for (n, (name, role)) in (1..).zip(hosts.chain(grows.then_some((NEWCOMER, Role::Node)))) {
        let seed_of_host = seed.wrapping_mul(101).wrapping_add(n);
        let host = match name {
            NEWCOMER => Host::newcomer(name, &names, seed_of_host),
            _ => Host::part(name, role, &listed, seed_of_host),
        };
        let node = host.clone();
        sim.host(name, move || {
            let node = node.clone();
            let gate = node.gate().clone();
            async move { Ok(gate.guard(node.run(Arc::new(TurmoilNet))).await?) }
        });
        seats.push(Seat::new(host, calmness, seed_of_host, &trace, &reached));
    }
    let newcomer = seats.last().map(|seat: &Seat| seat.host.clone()).filter(|host| host.name == NEWCOMER);
    let people = clients::People { names: names.clone(), newcomer, seed, record: record.clone(), trace: trace.clone() };
    sim.client(CLIENT, clients::run(people, BUSY, reached.clone()));
    let twin = extras.contains(&Extra::Twin).then(|| {
        let of = usize::try_from(Dice::new(seed ^ 0x7172).below(members as u64)).expect("few members");
        let host = Host::twin(TWIN, names[of], &names, seed.wrapping_mul(103));
        let node = host.clone();
        sim.host(TWIN, move || {
            let node = node.clone();
            async move { Ok(node.run(Arc::new(TurmoilNet)).await?) }
        });
        Twin::new(host, of, seed, &trace, &reached)
    });
    let ends = [Some(CLIENT), twin.as_ref().map(|_| TWIN)].into_iter().flatten();
    let members = listed.len();
    let hosts: Vec<&'static str> = seats.iter().map(|seat| seat.host.name).chain(ends).collect();
    let links = Links::new(&hosts, calmness, seed, &trace, &reached);
    let mut faults = Faults::new(seats, links, twin, seed, CALM, &trace, &reached);
    for extra in extras {
        match extra {
            Extra::Newcomer | Extra::Twin | Extra::Parts => {}
            Extra::Lost => faults.lose_a_disk(seed, members),
            Extra::OldCopy => faults.restore_a_copy(seed, members),
            Extra::Rot => faults.rot_a_disk(seed, members),
        }
    }
    let (mut invariants, mut followers) = (Invariants::default(), FollowersArrive::default());
    let end = drive(&mut sim, &trace, END_MAX, |sim| {
        let views: Vec<_> = faults.seats.iter().map(|seat| seat.host.look()).collect();
        if sim.elapsed().as_millis().is_multiple_of(VIEW_EVERY) {
            faults.seats.iter().zip(&views).for_each(|(seat, view)| trace_view(&trace, seat.host.name, view.as_ref()));
        }
        let fresh: Vec<_> = faults.seats.iter().flat_map(|seat| seat.host.fresh_cells()).collect();
        invariants.look(&views, &fresh)?;
        if record.borrow().is_quiet {
            let applied = views.iter().flatten().map(|view| view.applied).max().unwrap_or_default();
            for (seat, view) in faults.seats.iter().zip(&views) {
                if let (Some(view), Some(followed)) = (view, seat.host.followed()) {
                    followers.look(seat.host.name, followed.min(view.applied), applied, sim.elapsed())?;
                }
            }
        }
        drop(views);
        reached.set_now(sim.elapsed());
        faults.step(sim)?;
        let emptied = faults.seats.iter().map(Seat::emptied).max().unwrap_or_default();
        let mut record = record.borrow_mut();
        record.disk_fails = faults.is_excused();
        record.emptied = emptied;
        Ok(())
    });
    for (from, to, event) in MOVES {
        if invariants.went(from, to) {
            reached.count(event);
        }
    }
    let elapsed = sim.elapsed();
    // What destructors do after the simulation does not belong to the run, and after a panic they would panic again.
    std::mem::forget(sim);

    let record = record.borrow();
    // The history is complete only if the run came to its end.
    let broken: Vec<String> = match end {
        Ok(()) => check::violations(&record),
        Err(why) => record.broken.iter().cloned().chain([why]).collect(),
    };
    let broken = broken.into_iter().map(|what| shortened(&what)).collect();
    let (acknowledged, unknown) = record.outcomes();
    let boots: u64 = faults.seats.iter().map(|seat| seat.host.boots()).sum();
    let summary = format!(
        "lines={} acknowledged={acknowledged} writes={} unknown={unknown} boots={boots} chains={} {reached} chores={} \
         compacted={} leases_ended={} audits={} revisions={} simulated={}ms",
        trace.count(),
        record.writes(),
        invariants.chain_versions(),
        record.chores,
        record.compaction_done,
        record.leases.ended,
        record.audits,
        record.floor,
        elapsed.as_millis(),
    );
    Outcome { trace, broken, summary }
}

fn trace_view(trace: &Trace, name: &str, view: Option<&View>) {
    if let Some(View { applied, chain: (version, chain), tail, .. }) = view {
        let active = chain.active();
        let ordinal = active.params.id.ordinal;
        let tail = tail.map(|t| (t.tail.0, t.known_tail.0, t.sealed, t.trim_point.0));
        let (version, start) = (version.0, active.start);
        trace.line(&format!(
            "view {name}: applied {applied}, chain {version}, segment {ordinal} from {start}: {tail:?}"
        ));
    }
}

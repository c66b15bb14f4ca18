//! A cluster of real processes. While clients write through all members and watch on each of them, one member after the
//! other is killed, frozen or ended, and comes back.
//!
//! - [`Writer`]: a client that uses all members
//! - [`Watcher`]: a client that watches one member, and goes on where it was after each failure
//! - [`away`]: a member is away until the log has forgotten what it lacks
//! - [`wiped`]: members lose their disks
//! - [`grown`]: members are added to a cluster of one, promoted, moved and removed
//! - [`kinds`]: the kind of the loglets is changed again and again
//! - [`hung`]: the disk of a member hangs
//! - [`leaderless`]: two of three members are away for a while
//! - [`recovered`], [`forced`]: two of three members are destroyed, and the third goes on alone
//! - [`Gaps`](naxos_benches::cluster::gaps::Gaps) of the benchmarks: how long no write succeeded

mod away;
mod grown;
mod hung;
mod kinds;
mod leaderless;
mod members;
mod recovered;
mod watcher;
mod wiped;
mod writer;
mod writers;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::Signal;

pub use away::away;
pub use grown::grown;
pub use hung::hung;
pub use kinds::kinds;
pub use leaderless::leaderless;
pub use recovered::{forced, recover, recovered};
pub use watcher::Watcher;
pub use wiped::wiped;
pub use writer::Writer;

use crate::differential::dice::Dice;
use crate::etcd_server::EtcdServer;
use crate::kill_loop::ledger::Ledger;
use crate::pace;
use writers::Writers;

/// The names of the members, at most so many.
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
/// How long all members serve between two faults.
const HEALTHY: Duration = Duration::from_secs(3);
/// How long a member is away.
const AWAY: Duration = Duration::from_secs(3);
/// How long a watcher may take to see the last write.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(30);

/// What happens to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL.
    Kill,
    /// SIGSTOP, later SIGCONT.
    Freeze,
    /// SIGTERM.
    End,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Kill => "kill -9",
            Fault::Freeze => "SIGSTOP",
            Fault::End => "SIGTERM",
        })
    }
}

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server program.
    pub program: PathBuf,
    /// Where the members keep their data.
    pub folder: PathBuf,
    /// How many members there are, at most 5.
    pub members: usize,
    /// How many faults there are.
    pub rounds: u32,
    /// How many clients write.
    pub writers: u32,
    /// The faults to choose from.
    pub faults: Vec<Fault>,
    pub seed: u64,
}

/// One fault and what the clients noticed.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    pub fault: Fault,
    /// Whether the member was the leader.
    pub hit_leader: bool,
    /// The longest time in which no client wrote anything.
    pub gap: Duration,
}

/// Runs the plan and prints its progress.
///
/// # Errors
/// The first acknowledged write that is lost, a revision that went back or was used twice, a watch that missed an event
/// or saw one twice, or members that differ.
pub fn run(plan: &Plan) -> anyhow::Result<Vec<Round>> {
    println!("{} members, {} faults, {} writers, --seed {}", plan.members, plan.rounds, plan.writers, plan.seed);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut members = EtcdServer::members(&plan.program, &plan.folder, &NAMES[..plan.members], &[]);
    start_all(&mut members)?;
    let urls = urls_of(&members);
    let mut dice = Dice::new(plan.seed);
    let watchers: Vec<Watcher> = urls.iter().map(|url| Watcher::start(&runtime, url.clone())).collect();
    let writers = Writers::start(&runtime, 0..plan.writers, &urls, writer::PATIENCE);
    let mut rounds = Vec::new();
    for number in 1..=plan.rounds {
        pace::sleep(HEALTHY);
        let hit = usize::try_from(dice.below(members.len() as u64)).expect("few members");
        let fault = *dice.pick(&plan.faults);
        let leader = runtime.block_on(writer::leader_of(&urls[hit]));
        writers.gaps().begin();
        strike(&mut members[hit], fault);
        pace::sleep(AWAY);
        let gap = writers.gaps().longest().all;
        bring_back(&mut members[hit], fault)
            .with_context(|| format!("bring back member {} after {fault}", NAMES[hit]))?;
        let round = Round { fault, hit_leader: leader == Some(true), gap };
        let role = if round.hit_leader { "the leader" } else { "a follower" };
        println!(
            "round {number}: {fault} of {} ({role}), longest time without a write {} ms",
            NAMES[hit],
            gap.as_millis()
        );
        rounds.push(round);
    }
    pace::sleep(HEALTHY);
    let mut ledger = Ledger::default();
    let mut refusals = 0;
    for done in writers.finish(&runtime)? {
        refusals += done.errors.len();
        done.errors.iter().take(3).for_each(|error| println!("  a client was told: {error}"));
        done.written.into_iter().try_for_each(|written| ledger.enter(written))?;
    }
    let last = ledger.revisions().max().unwrap_or(0);
    println!("{ledger}; {refusals} errors");
    for url in &urls {
        runtime.block_on(ledger.check(url, &mut dice)).with_context(|| format!("what {url} holds"))?;
    }
    for (watcher, name) in watchers.into_iter().zip(NAMES) {
        let seen = watcher.finish(&runtime, last, CATCH_UP_LIMIT).with_context(|| format!("the watch on {name}"))?;
        let missed = ledger.revisions().filter(|revision| !seen.contains(revision)).count();
        ensure!(missed == 0, "the watch on {name} missed {missed} of {} acknowledged writes", ledger.acknowledged());
    }
    println!("no acknowledged write lost, no revision went back or was used twice, all watches are whole");
    Ok(rounds)
}

/// The client URLs of all members.
fn urls_of(members: &[EtcdServer]) -> Vec<String> {
    members.iter().map(|member| member.client_url().to_owned()).collect()
}

/// Starts all members at once: each waits for a majority of them.
///
/// # Errors
/// If one of them does not serve.
pub fn start_all(members: &mut [EtcdServer]) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let starts: Vec<_> = members.iter_mut().map(|member| scope.spawn(|| member.try_start())).collect();
        starts.into_iter().try_for_each(|start| match start.join() {
            Ok(outcome) => outcome.map_err(anyhow::Error::msg),
            Err(_) => anyhow::bail!("the thread that starts a member panicked"),
        })
    })
}

fn strike(member: &mut EtcdServer, fault: Fault) {
    match fault {
        Fault::Kill => member.kill(),
        Fault::Freeze => member.process().signal(Signal::STOP),
        Fault::End => drop(member.terminate()),
    }
}

fn bring_back(member: &mut EtcdServer, fault: Fault) -> anyhow::Result<()> {
    match fault {
        Fault::Kill | Fault::End => member.try_start().map_err(anyhow::Error::msg),
        Fault::Freeze => {
            member.process().signal(Signal::CONT);
            Ok(())
        }
    }
}

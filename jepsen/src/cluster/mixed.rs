//! While clients write through all members and watch on each of them, one member after the other is hit by a fault, and
//! comes back.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use naxos_benches::cluster::kind::Kind;
use naxos_benches::servers::cluster::Ground;
use naxos_benches::servers::{Candidate, Cluster, Programs};
use tokio::runtime::Runtime;

use super::watcher::{Watcher, are_whole};
use super::writer::{Habits, PATIENCE};
use super::writers::Writers;
use crate::differential::dice::Dice;
use crate::kill_loop::ledger::Ledger;
use crate::pace;

/// How long all members serve between two faults.
const HEALTHY: Duration = Duration::from_secs(3);
/// How long a fault lasts.
const AWAY: Duration = Duration::from_secs(3);

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server program.
    pub program: PathBuf,
    /// Where the members keep their data.
    pub folder: PathBuf,
    /// How many members there are, 3 to 5.
    pub members: usize,
    /// The run ends after this many faults.
    pub rounds: u32,
    /// The run also ends when it has taken this long.
    pub limit: Duration,
    /// How many clients write.
    pub writers: u32,
    /// How long a client rests after each write. In a long run without rests, the history of the writes would fill the
    /// memory of this process.
    pub rest: Duration,
    /// The faults to choose from.
    pub kinds: Vec<Kind>,
    pub seed: u64,
}

/// One fault and what the clients noticed.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    pub kind: Kind,
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
    let Plan { members, rounds, writers, rest, seed, .. } = plan;
    println!("{members} members, at most {rounds} faults, {writers} writers, --seed {seed}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let programs = Programs::of_naxos(plan.program.clone(), plan.folder.clone());
    let mut cluster = Cluster::start(&programs, Candidate::Naxos, *members, plan.ground())?;
    cluster.wait_until_whole()?;
    let urls: Vec<String> = cluster.endpoints().iter().map(ToString::to_string).collect();
    let watchers: Vec<Watcher> = urls.iter().map(|url| Watcher::start(&runtime, url.clone())).collect();
    let habits = Habits { patience: PATIENCE, rest: *rest };
    let writers = Writers::start(&runtime, 0..*writers, &urls, habits);
    let (begun, mut dice, mut done) = (pace::now(), Dice::new(*seed), Vec::new());
    while done.len() < *rounds as usize && begun.elapsed() < plan.limit {
        pace::sleep(HEALTHY);
        done.push(plan.round(done.len() + 1, &mut cluster, &writers, &mut dice)?);
    }
    pace::sleep(HEALTHY);
    cluster.wait_until_whole()?;
    check(&runtime, &urls, writers, watchers, &mut dice)?;
    Ok(done)
}

impl Plan {
    /// Whether the faults of the plan need networks and disks that belong to one member each.
    fn ground(&self) -> Ground {
        let is_plain = self.kinds.iter().all(|kind| kind.ground() == Ground::Plain);
        if is_plain { Ground::Plain } else { Ground::NetworksAndDisks }
    }

    /// Lets a fault hit a member, and ends the fault after [`AWAY`].
    fn round(&self, number: usize, cluster: &mut Cluster, writers: &Writers, dice: &mut Dice) -> anyhow::Result<Round> {
        let kind = *dice.pick(&self.kinds);
        let leader = cluster.leader()?;
        let any = usize::try_from(dice.below(cluster.nodes() as u64)).expect("few members");
        // Only the leader can be asked to let another member lead.
        let hit = if kind == Kind::Move { leader } else { any };
        writers.gaps().begin();
        kind.strike(cluster, hit).with_context(|| format!("{kind} of n{hit}"))?;
        pace::sleep(AWAY);
        let gap = writers.gaps().longest().all;
        kind.heal(cluster, hit).with_context(|| format!("bring back n{hit} after {kind}"))?;
        let round = Round { kind, hit_leader: hit == leader, gap };
        let role = if round.hit_leader { "the leader" } else { "a follower" };
        println!("round {number}: {kind} of n{hit} ({role}), longest time without a write {} ms", gap.as_millis());
        Ok(round)
    }
}

/// Ends the writing, and checks what the members hold and the watchers have seen.
fn check(
    runtime: &Runtime,
    urls: &[String],
    writers: Writers,
    watchers: Vec<Watcher>,
    dice: &mut Dice,
) -> anyhow::Result<()> {
    let mut ledger = Ledger::default();
    let mut refusals = 0;
    for done in writers.finish(runtime)? {
        refusals += done.errors.len();
        done.errors.iter().take(3).for_each(|error| println!("  a client was told: {error}"));
        done.written.into_iter().try_for_each(|written| ledger.enter(written))?;
    }
    println!("{ledger}; {refusals} errors");
    for url in urls {
        runtime.block_on(ledger.check(url, dice)).with_context(|| format!("what {url} holds"))?;
    }
    are_whole(runtime, watchers, urls, &ledger)?;
    println!("no acknowledged write lost, no revision went back or was used twice, all watches are whole");
    Ok(())
}

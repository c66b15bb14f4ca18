//! [`bridged`]: two of three members do not hear each other, and the third hears both.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use naxos_benches::cluster::kind::Kind;
use naxos_benches::servers::cluster::Ground;
use naxos_benches::servers::{Candidate, Cluster, Programs};

use super::members::put;
use super::writer::{Habits, PATIENCE};
use super::writers::Writers;
use crate::differential::dice::Dice;
use crate::kill_loop::ledger::Ledger;
use crate::pace;

/// How often the log may be changed after a cut: once for the cut, and a few times more until all members know which
/// members hear each other.
const CHANGES_MAX: u64 = 4;
/// When the members must have settled after a cut.
const SETTLES: Duration = Duration::from_secs(3);
/// How long the cut lasts after that.
const QUIET: Duration = Duration::from_secs(6);
/// How often the log may be changed in that time. A member may be taken in, or the metadata store may get another
/// leader.
const CALM_CHANGES_MAX: u64 = 2;
const WRITERS: u32 = 4;

/// Each pair of members is cut once, one pair at a time. Each time the log settles on a sequencer that all members
/// hear, and takes writes through each of them.
///
/// # Errors
/// If the log is changed again and again, a member takes no write, or an acknowledged write is lost.
pub fn bridged(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let programs = Programs::of_naxos(program.to_owned(), folder.to_owned());
    let mut cluster = Cluster::start(&programs, Candidate::Naxos, 3, Ground::Networks)?;
    cluster.wait_until_whole()?;
    let urls: Vec<String> = cluster.endpoints().iter().map(ToString::to_string).collect();
    let habits = Habits { patience: PATIENCE, rest: Duration::from_millis(1) };
    let writers = Writers::start(&runtime, 0..WRITERS, &urls, habits);
    for first in 0..3 {
        let pair = format!("members {first} and {} do not hear each other", (first + 1) % 3);
        let before = cluster.active_loglet()?;
        Kind::Pair.strike(&mut cluster, first)?;
        pace::sleep(SETTLES);
        let settled = cluster.active_loglet()?;
        ensure!(settled - before <= CHANGES_MAX, "{pair}: the log was changed {} times", settled - before);
        for url in &urls {
            runtime.block_on(put(url, "bridged", vec![])).with_context(|| pair.clone())?;
        }
        pace::sleep(QUIET);
        let after = cluster.active_loglet()?;
        let more = after - settled;
        ensure!(more <= CALM_CHANGES_MAX, "{pair}: the log does not settle, it was changed {more} more times");
        Kind::Pair.heal(&mut cluster, first)?;
        cluster.wait_until_whole()?;
    }
    let mut ledger = Ledger::default();
    for done in writers.finish(&runtime)? {
        done.written.into_iter().try_for_each(|written| ledger.enter(written))?;
    }
    for url in &urls {
        let mut dice = Dice::new(1);
        runtime.block_on(ledger.check(url, &mut dice)).with_context(|| format!("what {url} holds"))?;
    }
    Ok(())
}

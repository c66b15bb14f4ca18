//! Each round starts writers, kills the server at a random moment, starts it again and checks its data.
//!
//! - [`writers`]: clients that put as fast as the server answers, and remember the answers
//! - [`ledger`]: all acknowledged writes, and the check against a restarted server
//! - [`writes`]: the writes of a writer, and their outcomes
//! - [`full_disk`]: writers and kills on a full disk

pub mod full_disk;
pub mod ledger;
pub mod writers;
pub mod writes;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::differential::dice::Dice;
use crate::etcd_server::EtcdServer;
use crate::pace;
use ledger::Ledger;

/// The writers of a round write for less than this time.
const ROUND_MILLIS_MAX: u64 = 400;
/// After this many rounds a line of progress is printed.
const ROUNDS_PER_LINE: u32 = 25;

/// The settings of a loop.
#[derive(Debug, Clone)]
pub struct Plan {
    pub program: PathBuf,
    pub data: PathBuf,
    pub rounds: u32,
    pub writers: u32,
    pub seed: u64,
}

/// Runs the loop and prints its progress.
///
/// # Errors
/// If an acknowledged write is lost or changed, if a revision went back or was used twice, if the server does not start
/// again, or if a connection or a read fails. The loop ends at the first error.
pub fn run(plan: &Plan) -> anyhow::Result<()> {
    println!("{} rounds, {} writers, --seed {}", plan.rounds, plan.writers, plan.seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut dice = Dice::new(plan.seed);
    let mut ledger = Ledger::default();
    let mut server = EtcdServer::prepare(&plan.program, &plan.data, &[]);
    let mut slowest_start = Duration::ZERO;
    let mut resident_bytes = 0;
    server.start_again();
    for round in 1..=plan.rounds {
        runtime.block_on(round_of_writes(&mut server, plan, &mut ledger, &mut dice))?;
        let began = pace::now();
        server.try_start().map_err(anyhow::Error::msg).with_context(|| format!("start after kill {round}"))?;
        slowest_start = slowest_start.max(began.elapsed());
        resident_bytes = server.process().resident_bytes().max(resident_bytes);
        let checked = runtime.block_on(ledger.check(server.client_url(), &mut dice));
        checked.with_context(|| format!("after kill {round}; replay with --seed {}", plan.seed))?;
        if round % ROUNDS_PER_LINE == 0 || round == plan.rounds {
            println!("round {round}: {ledger}, slowest start {slowest_start:?}, memory {} MiB", resident_bytes >> 20);
        }
    }
    println!("no acknowledged write lost, no revision went back, none was used twice");
    Ok(())
}

async fn round_of_writes(
    server: &mut EtcdServer,
    plan: &Plan,
    ledger: &mut Ledger,
    dice: &mut Dice,
) -> anyhow::Result<()> {
    let tasks = writers::start(server.client_url(), plan.writers, ledger).await?;
    pace::pause(Duration::from_millis(dice.below(ROUND_MILLIS_MAX))).await;
    server.kill();
    for task in tasks {
        ledger.enter(task.await?)?;
    }
    Ok(())
}

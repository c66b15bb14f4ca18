//! [`switched`]: each engine is turned off and on again and again, while clients write and a member is restarted now and then.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use naxos_proto::control::control_client::ControlClient;
use naxos_proto::control::{Engine, EngineState, EnginesRequest, SetEngineRequest};
use tokio::runtime::Runtime;

use super::members::{Members, channel};
use super::urls_of;
use super::writer::Habits;
use super::writers::Writers;
use crate::differential::dice::Dice;
use crate::etcd_server::EtcdServer;
use crate::kill_loop::ledger::Ledger;
use crate::pace;

/// How long a call may take. A slow machine is no error.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// How often each engine is turned off and on.
const ROUNDS: usize = 20;
/// One of the members is restarted in each round whose number is a multiple of this.
const RESTART_EVERY: usize = 5;
/// The time between two switches.
const BETWEEN: Duration = Duration::from_millis(20);
/// How many clients write.
const WRITERS: u32 = 4;
/// The number of the member that is restarted.
const RESTARTED: usize = 2;

/// The engines, as the member at `url` sees them.
async fn engines(url: &str) -> anyhow::Result<Vec<Engine>> {
    let answer = pace::within(CALL_LIMIT, async { ControlClient::new(channel(url)).engines(EnginesRequest {}).await });
    Ok(answer.await.context("no answer in time")??.into_inner().engines)
}

/// Turns an engine on or off through the member at `url`. To do this twice does no harm, so it is tried again when it is
/// unknown whether it was done.
async fn switch(url: &str, name: &str, on: bool) -> anyhow::Result<()> {
    let end = pace::now() + CALL_LIMIT;
    loop {
        let asked = SetEngineRequest { name: name.to_owned(), on };
        let answer = pace::within(CALL_LIMIT, async { ControlClient::new(channel(url)).set_engine(asked).await }).await;
        match answer.with_context(|| format!("no answer when {name} was to be on: {on}"))? {
            Ok(answer) => {
                let now = answer.into_inner().engine.context("the answer has no engine")?;
                let expected = if on { EngineState::On } else { EngineState::Off };
                ensure!(now.state() == expected, "{name} is {:?}, expected {expected:?}", now.state());
                return Ok(());
            }
            Err(status) => ensure!(pace::now() < end, "{name} cannot be turned on or off: {status}"),
        }
    }
}

/// Turns each of these engines off and on, or on and off if it was off.
fn switch_all(runtime: &Runtime, url: &str, engines: &[Engine]) -> anyhow::Result<()> {
    for engine in engines {
        let was_on = engine.state() == EngineState::On;
        for on in [!was_on, was_on] {
            runtime.block_on(switch(url, &engine.name, on))?;
            pace::sleep(BETWEEN);
        }
    }
    Ok(())
}

/// Ends a member by SIGTERM and starts it again.
fn restart(member: &mut EtcdServer) -> anyhow::Result<()> {
    let ended = member.terminate();
    ensure!(ended.success(), "the member ended with {ended}");
    member.try_start().map_err(|why| anyhow!(why))
}

/// The name and the state of each engine, and the position of its last switch. All members must have the same.
fn agreed(runtime: &Runtime, urls: &[String]) -> anyhow::Result<Vec<(String, EngineState, u64)>> {
    let seen = |url: &String| -> anyhow::Result<Vec<_>> {
        let engines = runtime.block_on(engines(url))?;
        Ok(engines.into_iter().map(|engine| (engine.name.clone(), engine.state(), engine.since)).collect())
    };
    let mut all = urls.iter().map(seen).collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(all.iter().all(|engines| *engines == all[0]), "the members differ in their engines: {all:?}");
    all.pop().context("there are no members")
}

/// Three processes are one cluster. While clients write, each engine that can be turned off is turned off and on
/// [`ROUNDS`] times, through different members. One member is restarted meanwhile, again and again.
///
/// # Errors
/// If a client was told an error, a switch failed, an acknowledged write is lost, or the members differ.
pub fn switched(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut all = Members::start(program, folder, 3, &[])?;
    let urls = urls_of(&all.members);
    let mut switchable = runtime.block_on(engines(&urls[0]))?;
    switchable.retain(|engine| engine.state() != EngineState::Always);
    ensure!(switchable.len() >= 5, "only these engines can be turned off: {switchable:?}");
    let writers = Writers::start(&runtime, 0..WRITERS, &urls, Habits::restless(CALL_LIMIT));
    for round in 0..ROUNDS {
        let restarts = round.is_multiple_of(RESTART_EVERY);
        // A member that is being restarted cannot turn an engine off.
        let through = if restarts { round % RESTARTED } else { round % urls.len() };
        let (runtime, switchable, url) = (&runtime, &switchable, &urls[through]);
        let member = &mut all.members[RESTARTED];
        thread::scope(|scope| {
            let restarting = restarts.then(|| scope.spawn(move || restart(member)));
            switch_all(runtime, url, switchable).with_context(|| format!("round {round}"))?;
            restarting.map_or(Ok(()), |thread| thread.join().unwrap_or_else(|_| Err(anyhow!("the thread panicked"))))
        })?;
    }
    let mut ledger = Ledger::default();
    writers.finish_without_error(&runtime, &mut ledger).context("while engines were turned off and on")?;
    for url in &urls {
        runtime.block_on(ledger.check(url, &mut Dice::new(7))).with_context(|| format!("what {url} holds"))?;
    }
    all.compare()?;
    let before = agreed(&runtime, &urls)?;
    // A member that is ended writes a checkpoint, so the next start reads the switches from the store and not from the log.
    all.members.iter_mut().try_for_each(restart)?;
    all.compare().context("after a restart of all")?;
    let after = agreed(&runtime, &urls).context("after a restart of all")?;
    ensure!(after == before, "the engines were {before:?}, and after a restart of all they are {after:?}");
    let switches = 2 * ROUNDS * switchable.len();
    println!("{switches} switches of {} engines: {ledger}; no client was told an error", switchable.len());
    Ok(())
}

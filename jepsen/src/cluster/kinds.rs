//! [`kinds`]: the kind of the log's loglets is changed again and again while clients write.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use naxos_proto::control::control_client::ControlClient;
use naxos_proto::control::{ChainRequest, ReconfigureRequest, Segment};
use tokio::runtime::Runtime;
use tonic::transport::Channel;

use super::members::channel;
use super::writer::Habits;
use super::writers::Writers;
use super::{NAMES, start_all, urls_of};
use crate::differential::dice::Dice;
use crate::etcd_server::EtcdServer;
use crate::kill_loop::ledger::Ledger;
use crate::pace;

/// How long a call of `naxos ctl` or of a client may take. A slow machine is no error.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// The time between two changes.
const BETWEEN: Duration = Duration::from_millis(60);
/// How many clients write.
const WRITERS: u32 = 4;

fn control(url: &str) -> ControlClient<Channel> {
    ControlClient::new(channel(url))
}

/// Changes the log to a loglet of `kind`. Returns the segment that takes appends then.
async fn change(url: &str, kind: &str) -> anyhow::Result<Segment> {
    let asked = ReconfigureRequest { kind: kind.to_owned() };
    let answer = pace::within(CALL_LIMIT, async { control(url).reconfigure(asked).await }).await;
    let active =
        answer.context("no answer in time")??.into_inner().active.context("the answer has no active segment")?;
    ensure!(active.kind == kind, "the log goes on with a {} loglet", active.kind);
    Ok(active)
}

async fn segments(url: &str) -> anyhow::Result<Vec<Segment>> {
    let answer = pace::within(CALL_LIMIT, async { control(url).chain(ChainRequest {}).await }).await;
    Ok(answer.context("no answer in time")??.into_inner().segments)
}

/// Starts clients that write. `first` is the number of the first one.
fn start_writers(runtime: &Runtime, urls: &[String], first: u32) -> Writers {
    Writers::start(runtime, first..first + WRITERS, urls, Habits::restless(CALL_LIMIT))
}

/// `members` processes are one cluster. While clients write, the log is changed from native to Corfu loglets and back,
/// `changes` times. Then all members are killed while a Corfu loglet is active, and started again, so that they read
/// sealed and active loglets.
///
/// # Errors
/// If a client was told an error, a change failed, or an acknowledged write is lost.
pub fn kinds(program: &Path, folder: &Path, members: usize, changes: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut all = EtcdServer::members(program, folder, &NAMES[..members], &[]);
    start_all(&mut all)?;
    let urls = urls_of(&all);
    let mut ledger = Ledger::default();
    let writers = start_writers(&runtime, &urls, 0);
    for number in 0..changes {
        for kind in ["corfu", "native"] {
            pace::sleep(BETWEEN);
            let active = runtime.block_on(change(&urls[number % members], kind));
            let active = active.with_context(|| format!("change number {number} to {kind}"))?;
            let quorum = if kind == "corfu" { members } else { members / 2 + 1 };
            ensure!(active.write_quorum as usize == quorum, "the quorum of a {kind} loglet is {}", active.write_quorum);
            ensure!(active.units.len() == members, "a {kind} loglet has the units {:?}", active.units);
        }
    }
    writers.finish_without_error(&runtime, &mut ledger).context("while the log was changed")?;
    let sealed = runtime.block_on(change(&urls[0], "corfu"))?;
    let writers = start_writers(&runtime, &urls, WRITERS);
    pace::sleep(Duration::from_millis(300));
    let active = runtime.block_on(change(&urls[0], "corfu"))?;
    pace::sleep(Duration::from_millis(300));
    writers.finish_without_error(&runtime, &mut ledger).context("before the kill")?;
    all.iter_mut().for_each(EtcdServer::kill);
    start_all(&mut all)?;
    for url in &urls {
        runtime.block_on(ledger.check(url, &mut Dice::new(7))).with_context(|| format!("what {url} holds"))?;
    }
    let chain = runtime.block_on(segments(&urls[0]))?;
    // A loglet that is trimmed already is not in the chain any more.
    let is_open = |id: u64| chain.iter().any(|s| s.loglet_id == id && s.end.is_none());
    ensure!(
        !is_open(sealed.loglet_id) && !is_open(active.loglet_id),
        "the start goes on with a loglet of the last life: {chain:?}"
    );
    ensure!(chain.last().is_some_and(|last| last.kind == "corfu"), "the start changed the kind: {chain:?}");
    let writers = start_writers(&runtime, &urls, 2 * WRITERS);
    pace::sleep(Duration::from_millis(300));
    writers.finish_without_error(&runtime, &mut ledger).context("after the start")?;
    for url in &urls {
        runtime.block_on(ledger.check(url, &mut Dice::new(7))).with_context(|| format!("what {url} holds"))?;
    }
    println!("{members} members, {} changes: {ledger}; no client was told an error", 2 * changes);
    Ok(())
}

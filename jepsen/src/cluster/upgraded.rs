//! [`upgraded`]: a newer program is rolled in, rolled back before the version of the cluster rises, and rolled in again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use naxos_proto::control::control_client::ControlClient;
use naxos_proto::control::{ReconfigureRequest, StatusRequest};
use naxos_proto::etcd::client::etcdserverpb::cluster_client::ClusterClient;
use naxos_proto::etcd::client::etcdserverpb::{MemberListRequest, MemberRemoveRequest};
use tokio::runtime::Runtime;

use super::members::channel;
use super::watcher::{Watcher, are_whole};
use super::writer::Habits;
use super::writers::Writers;
use super::{NAMES, start_all, urls_of};
use crate::differential::dice::Dice;
use crate::etcd_server::EtcdServer;
use crate::kill_loop::ledger::Ledger;
use crate::pace;

/// How long a call may take. A slow machine is no error.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// How long the cluster serves between two steps.
const BETWEEN: Duration = Duration::from_secs(1);
/// How long the version may take to rise after the last member has the newer program.
const RISE_LIMIT: Duration = Duration::from_secs(10);
/// How long a member may take to be removed, and to end after that.
const REMOVE_LIMIT: Duration = Duration::from_secs(60);
/// How many clients write.
const WRITERS: u32 = 4;
/// The beginning of a record of the journal of the kind that only the newer program knows.
const NEXT_RECORD: &[u8] = b"NXRC\x01\x10";
/// The beginning of a command of the kind that only the newer program knows: command version 2, store 0, no principal.
const NEXT_COMMAND: &[u8] = b"\x02\0\0\0\0\0\0\0\0\0\xfa";
/// The kind of loglet that only the newer program knows, as the control service shows it.
const NEXT_LOGLET: &str = "kind 250";

/// Four members with the program `old` are one cluster, and one of them is removed. Clients write to the other three,
/// and each of the three has a watch. `next` is a newer program with one new command, one new record of the journal and
/// one new kind of loglet.
///
/// 1. Two members get `next`. The cluster's version stays, and nothing new is written.
/// 2. Both go back to `old`.
/// 3. All three get `next`. The version rises, and everything new is written.
/// 4. Then no member can go back: `old` refuses to start, on the member's data directory and on an empty one, and changes
///    nothing. The removed member does not come back with `next` either.
///
/// # Errors
/// If a client was told an error, a watch missed an event, an acknowledged write is lost, or one of the above does not
/// hold.
pub fn upgraded(old: &Path, next: &Path, folder: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut all = EtcdServer::members(old, folder, &NAMES[..4], &[]);
    start_all(&mut all)?;
    let mut removed = all.pop().context("there is no fourth member")?;
    runtime.block_on(remove(all[0].client_url(), NAMES[3])).context("remove a member")?;
    let ended = removed.process_mut().wait(REMOVE_LIMIT);
    ensure!(ended.is_some_and(|status| status.success()), "a removed member does not end by itself: {ended:?}");
    let urls = urls_of(&all);
    let watchers: Vec<Watcher> = urls.iter().map(|url| Watcher::start(&runtime, url.clone())).collect();
    let writers = Writers::start(&runtime, 0..WRITERS, &urls, Habits::restless(CALL_LIMIT));
    pace::sleep(BETWEEN);

    for (member, program) in [(0, next), (1, next)] {
        roll(&mut all[member], program).context("roll in")?;
    }
    ensure_nothing_new(&runtime, folder, &urls).context("mixed")?;
    let refused =
        runtime.block_on(reconfigure(&urls[0], "next")).err().context("there is a loglet that not all members know")?;
    ensure!(format!("{refused:#}").contains("the cluster has version 1"), "the refusal has another text: {refused:#}");
    for member in [1, 0] {
        roll(&mut all[member], old).context("roll back")?;
    }
    ensure_nothing_new(&runtime, folder, &urls).context("rolled back")?;

    for member in [2, 1, 0] {
        roll(&mut all[member], next).context("roll in again")?;
    }
    for url in &urls {
        let has_risen = || (runtime.block_on(versions(url)).ok()? == (2, 2)).then_some(());
        pace::wait_for(RISE_LIMIT, has_risen).with_context(|| format!("the version at {url} does not rise"))?;
    }
    let kind = runtime.block_on(reconfigure(&urls[1], "next")).context("begin a new loglet")?;
    ensure!(kind == NEXT_LOGLET, "the log goes on with a {kind} loglet");
    pace::sleep(2 * BETWEEN);
    for name in &NAMES[..3] {
        for (what, bytes) in [("record", NEXT_RECORD), ("command", NEXT_COMMAND)] {
            ensure!(journal_holds(&folder.join(name), bytes)?, "member {name} has written no new {what}");
        }
    }

    let mut ledger = Ledger::default();
    writers.finish_without_error(&runtime, &mut ledger)?;
    are_whole(&runtime, watchers, &urls, &ledger)?;
    removed.use_program(next);
    let refused = removed.try_start().err().context("a removed member comes back after an upgrade")?;
    ensure!(refused.contains("permanently removed"), "a removed member does not say why it ends: {refused}");
    refuse_old(&mut all[2], &folder.join(NAMES[2]), old, next)?;
    for url in &urls {
        runtime.block_on(ledger.check(url, &mut Dice::new(7))).with_context(|| format!("what {url} holds"))?;
    }
    println!("{ledger}; no client was told an error");
    Ok(())
}

/// Ends a member by SIGTERM, and starts it with another program.
fn roll(member: &mut EtcdServer, program: &Path) -> anyhow::Result<()> {
    let status = member.terminate();
    ensure!(status.success(), "the member ended with {status}:\n{}", member.log().tail());
    member.use_program(program);
    member.try_start().map_err(anyhow::Error::msg)?;
    pace::sleep(BETWEEN);
    Ok(())
}

/// Checks that a member cannot go back to the old program, and that the attempt changes nothing.
fn refuse_old(member: &mut EtcdServer, data: &Path, old: &Path, next: &Path) -> anyhow::Result<()> {
    let words = "the cluster has version 2, and this program understands versions up to 1";
    let refuse = |member: &mut EtcdServer, what: &str| {
        member.use_program(old);
        let refused = member.try_start().err().with_context(|| format!("the old program starts on {what}"))?;
        ensure!(refused.contains("exit status: 1"), "it does not end with exit status 1: {refused}");
        ensure!(refused.contains(words), "on {what}, the refusal has another text: {refused}");
        anyhow::Ok(())
    };
    member.terminate();
    let before = fs::read(data.join("format"))?;
    refuse(member, "a data directory of the new version")?;
    ensure!(fs::read(data.join("format"))? == before, "the file `format` has changed");
    member.use_program(next);
    member.try_start().map_err(anyhow::Error::msg).context("the newer program after that")?;
    member.kill();
    fs::rename(data, data.with_extension("away"))?;
    refuse(member, "an empty data directory")?;
    fs::remove_dir_all(data)?;
    fs::rename(data.with_extension("away"), data)?;
    member.use_program(next);
    member.try_start().map_err(anyhow::Error::msg).context("the newer program at the end")
}

/// Checks that the version is still the first one on all members, and that no journal has anything new.
fn ensure_nothing_new(runtime: &Runtime, folder: &Path, urls: &[String]) -> anyhow::Result<()> {
    pace::sleep(BETWEEN);
    for (url, name) in urls.iter().zip(NAMES) {
        let (version, _) = runtime.block_on(versions(url))?;
        ensure!(version == 1, "the version rose to {version} before all members understand it");
        for bytes in [NEXT_RECORD, NEXT_COMMAND] {
            ensure!(!journal_holds(&folder.join(name), bytes)?, "member {name} holds something new: {bytes:?}");
        }
    }
    Ok(())
}

/// Removes a member, as soon as the others are settled.
async fn remove(url: &str, name: &str) -> anyhow::Result<()> {
    let mut cluster = ClusterClient::new(channel(url));
    let members = cluster.member_list(MemberListRequest::default()).await?.into_inner().members;
    let id = members.iter().find(|member| member.name == name).context("the member is not in the list")?.id;
    let end = pace::now() + REMOVE_LIMIT;
    while let Err(status) = cluster.member_remove(MemberRemoveRequest { id }).await {
        ensure!(pace::now() < end, "it is refused for too long: {status}");
        pace::pause(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The version of the cluster, and the highest one that the member's program understands.
async fn versions(url: &str) -> anyhow::Result<(u32, u32)> {
    let status = ControlClient::new(channel(url)).status(StatusRequest {}).await?.into_inner();
    Ok((status.cluster_version, status.cluster_version_max))
}

/// Changes the log to a loglet of `kind`. Returns the kind of the segment that takes appends then.
async fn reconfigure(url: &str, kind: &str) -> anyhow::Result<String> {
    let asked = ReconfigureRequest { kind: kind.to_owned() };
    let answer = pace::within(CALL_LIMIT, async { ControlClient::new(channel(url)).reconfigure(asked).await }).await;
    Ok(answer.context("no answer in time")??.into_inner().active.context("the answer has no active segment")?.kind)
}

/// Whether a segment of the journal in this data directory has these bytes.
fn journal_holds(data: &Path, bytes: &[u8]) -> anyhow::Result<bool> {
    for segment in fs::read_dir(data.join("journal"))? {
        let path = segment?.path();
        let is_segment = path.extension().is_some_and(|extension| extension == "seg");
        if is_segment && fs::read(path)?.windows(bytes.len()).any(|found| found == bytes) {
            return Ok(true);
        }
    }
    Ok(false)
}

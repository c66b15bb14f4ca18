//! [`copied`]: old and cloned data directories, and a start without a majority.

use std::fs::rename;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::Signal;

use super::copy_directory::copy_directory;
use super::members::Members;
use super::{NAMES, start_all};
use crate::etcd_server::EtcdServer;
use crate::pace;

/// What a process on an old copy says when it ends.
const IS_COPY: &str = "this data directory is a copy of one that was started later, or an old backup of it";
/// What a process says when it ends because writes that it acknowledged are not on its disk any more.
const HAS_LOST: &str = "this data directory has lost what it had made durable";
/// What a process says while it waits for the other members.
const WAITS: &str = "waiting until a majority of the voters has noted this start";
/// A member that stood still has its place in the log again after this time.
const TAKEN_IN: Duration = Duration::from_secs(8);
/// Time within which a waiting process must say what it waits for. It says this about 5 s after its start.
const SAYS_LIMIT: Duration = Duration::from_secs(20);

/// Starts a server that must not serve, and waits until it says why it waits.
fn waits(server: &mut EtcdServer) -> anyhow::Result<()> {
    let from = server.log().length();
    server.begin();
    ensure!(
        server.log().wait_for(from, WAITS, SAYS_LIMIT),
        "it does not say what it waits for:\n{}",
        server.log().tail()
    );
    Ok(())
}

/// Starts a server that must end because of its directory, and must say this.
fn is_refused(server: &mut EtcdServer, says: &str) -> anyhow::Result<()> {
    let Err(why) = server.try_start() else { bail!("it serves") };
    ensure!(why.contains(says) && why.contains("empty data directory"), "it does not say why it ends:\n{why}");
    Ok(())
}

/// Copies the directory of a process that runs, as a backup of the whole machine does.
fn copy_of_running(server: &EtcdServer, from: &Path, to: &Path) -> anyhow::Result<()> {
    server.process().signal(Signal::STOP);
    let copied = copy_directory(from, to);
    server.process().signal(Signal::CONT);
    Ok(copied?)
}

/// A member starts on an old backup of its disk, and clones of its data directory start on a second host. None of these
/// processes takes part, however often it is started, and the other members go on. The same is true of a process on a disk
/// that has lost writes. A member that starts alone serves nothing, and says what it waits for.
///
/// # Errors
/// If any of this does not hold.
pub fn copied(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let [a, b, c] = [0, 1, 2];
    let mut all = Members::start(program, folder, 3, &[])?;
    all.write(&[a, b, c], 6)?;
    let own = folder.join(NAMES[c]);
    let place = |name: &str| folder.join(name);
    all.members[c].kill();
    copy_directory(&own, &place("backup"))?;
    copy_directory(&own, &place("clone"))?;
    all.start_member(c)?;
    all.write(&[a, b, c], 6)?;

    // The clones have other ports than their member, so the other members do not find a clone at the member's address.
    let mut clones = EtcdServer::members(program, folder, &["clone", "twin"], &[]);
    for attempt in 1..=3 {
        is_refused(&mut clones[0], IS_COPY).with_context(|| format!("start {attempt} of an old clone"))?;
    }
    all.members[c].kill();
    copy_directory(&own, &place("twin"))?;
    waits(&mut clones[1]).context("a clone that is as new as the member")?;
    all.write(&[a, b], 2).context("while a clone waits")?;
    all.start_member(c).context("while a clone waits")?;
    all.write(&[a, b, c], 6).context("beside a clone that waits")?;
    clones[1].kill();

    all.members[c].kill();
    rename(&own, place("kept"))?;
    rename(place("backup"), &own)?;
    for attempt in 1..=3 {
        is_refused(&mut all.members[c], IS_COPY).with_context(|| format!("start {attempt} of an old backup"))?;
    }
    all.write(&[a, b], 2).context("after an old backup was refused")?;
    rename(&own, place("backup"))?;
    rename(place("kept"), &own)?;
    all.start_member(c).context("with its own disk again")?;
    all.compare()?;

    // This copy has the latest start, but not the writes after it. A directory looks the same after its disk has reported
    // a sync and then lost the writes.
    copy_of_running(&all.members[c], &own, &place("short"))?;
    // The member stood still during the copy, so its unit may be left out of the log for a while. A copy that lacks the
    // writes of that time has lost nothing, and would not be refused. So wait until the unit is back.
    pace::sleep(TAKEN_IN);
    all.write(&[a, b, c], 6)?;
    all.members[c].kill();
    rename(&own, place("kept"))?;
    rename(place("short"), &own)?;
    for attempt in 1..=3 {
        is_refused(&mut all.members[c], HAS_LOST).with_context(|| format!("start {attempt} with lost writes"))?;
    }
    all.write(&[a, b], 2).context("after a disk with lost writes was refused")?;
    rename(&own, place("short"))?;
    rename(place("kept"), &own)?;
    all.start_member(c).context("with its own disk again")?;
    all.compare()?;

    for member in &mut all.members {
        member.kill();
    }
    waits(&mut all.members[a]).context("one of three alone")?;
    all.members[a].kill();
    start_all(&mut all.members).context("start all three")?;
    all.compare().context("after a start without a majority")
}

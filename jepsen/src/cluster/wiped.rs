//! [`wiped`], [`two_of_five_wiped`]: members lose their disks, one after the other, and come back with empty ones.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::NAMES;
use super::members::Members;
use crate::etcd_server::EtcdServer;
use crate::pace;

/// How long it may take until a new data directory holds a part of the log and its member votes.
const TAKEN_IN: Duration = Duration::from_secs(15);
/// How long it may take until each segment names only units that are there and that have all its cells.
const COPIED: Duration = Duration::from_secs(30);
/// What a member logs when it gets its seat back.
const SEAT: &str = "this data directory has the seat of this member";

/// A member whose seat has gone to a newer disk is started on the old one: it must not come back.
fn old_disk(all: &mut Members, folder: &Path) -> anyhow::Result<()> {
    all.members[2].kill();
    let (now, lost, kept) = (folder.join("c"), folder.join("c.lost"), folder.join("c.now"));
    fs::rename(&now, &kept)?;
    fs::rename(&lost, &now)?;
    let Err(why) = all.members[2].try_start() else { anyhow::bail!("it serves") };
    let reason = "the data directory had a seat and lost it to a newer data directory";
    ensure!(why.contains(reason), "it ends without the reason:\n{why}");
    fs::remove_dir_all(&now)?;
    fs::rename(&kept, &now)?;
    all.start_member(2)
}

/// Two of three listed members begin a new cluster, and the third one comes later. Then each of them loses its disk,
/// one after the other. Each comes back by itself, with everything. It votes, and its new disk holds a part of the log,
/// so that the next disk can be lost. The new disk also replaces the lost one in the segments that have ended, and gets
/// the copies of their cells. Then a start on the disk that was lost last must be refused. In the end all are started
/// again.
///
/// # Errors
/// If a member does not come back, writes fail while one disk is away, a segment lacks a copy, a member serves on its
/// old disk, or members differ.
pub fn wiped(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut all = Members::start(program, folder, 2, &[])?;
    all.write(&[0, 1], 60)?;
    all.start_member(2).context("start the member that was away at the founding")?;
    all.write(&[0, 1, 2], 10)?;
    all.compare().context("after the third member came")?;
    pace::sleep(TAKEN_IN);
    for (lost, name) in ["a", "b", "c"].into_iter().enumerate() {
        let there: Vec<usize> = (0..3).filter(|member| *member != lost).collect();
        all.members[lost].kill();
        fs::rename(folder.join(name), folder.join(format!("{name}.lost"))).context("take a disk away")?;
        all.write(&there, 30).with_context(|| format!("while {name} is away"))?;
        let from = all.members[lost].log().length();
        all.start_member(lost).with_context(|| format!("start {name} with an empty disk"))?;
        ensure!(all.members[lost].log().wait_for(from, SEAT, Duration::ZERO), "{name} did not get its seat back");
        all.write(&[0, 1, 2], 30).with_context(|| format!("after {name} came back"))?;
        all.compare().with_context(|| format!("after {name} came back"))?;
        // It must be in the loglet and vote before the next one is lost.
        pace::sleep(TAKEN_IN);
        all.await_all_copies(COPIED).with_context(|| format!("after {name} came back"))?;
    }
    old_disk(&mut all, folder).context("start on a disk that was given up")?;
    all.restart()?;
    all.write(&[0, 1, 2], 30)?;
    all.compare().context("after a start of all")
}

/// Two of five members lose their disks. The second one loses its disk as soon as the first one serves again, perhaps
/// before the first one votes and holds a part of the log again. Nothing that was acknowledged is lost.
///
/// # Errors
/// If a write is lost, a member does not come back, or members differ.
pub fn two_of_five_wiped(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut all = Members::of(EtcdServer::members(program, folder, &NAMES, &[]), NAMES.len())?;
    let before = all.write(&[0, 1, 2, 3, 4], 60)?;
    for (lost, name) in ["a", "b"].into_iter().enumerate() {
        all.members[lost].kill();
        fs::remove_dir_all(folder.join(name)).context("destroy a disk")?;
        all.start_member(lost).with_context(|| format!("start {name} with an empty disk"))?;
    }
    let after = all.write(&[0, 1, 2, 3, 4], 20)?;
    ensure!(after >= before + 20, "revision {before} was acknowledged, and 20 writes later it is {after}");
    ensure!(all.keys(2)? == 80, "80 keys were written, {} are there", all.keys(2)?);
    all.await_all_copies(COPIED)?;
    all.compare().context("after two came back")
}

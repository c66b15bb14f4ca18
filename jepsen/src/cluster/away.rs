//! [`away`]: a member is away until the others have trimmed the log beyond what it has applied. It comes back by a
//! snapshot.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::Signal;

use super::members::Members;
use crate::pace;

/// With this limit a single segment of the journal is too large already, so every member that does not move is ejected.
const HELD_LOG: &str = "--naxos-held-log-bytes=60000000";
/// How long it may take until a member that is away is ejected.
const EJECT_LIMIT: Duration = Duration::from_secs(30);
/// How long a member may take to come back.
const BACK_LIMIT: Duration = Duration::from_secs(60);
/// How long a trim may take after the ejection.
const TRIM_TIME: Duration = Duration::from_secs(2);
/// A pause between some writes, so that the members have little to copy.
const BETWEEN_WRITES: Duration = Duration::from_millis(100);
/// What members log.
const EJECTED: &str = "a member that is away holds back too much of the log";
const INSTALLED: &str = "the snapshot is installed";
const AGAIN: &str = "starting again from a snapshot";
const SERVES: &str = "ready to serve client requests";

/// Writes until the member that is away was ejected and the log is trimmed.
fn write_until_ejected(all: &mut Members, there: [usize; 2]) -> anyhow::Result<()> {
    let from = there.map(|member| all.members[member].log().length());
    let end = pace::now() + EJECT_LIMIT;
    let is_ejected = |all: &Members| {
        let told = |(member, from): (usize, usize)| all.members[member].log().wait_for(from, EJECTED, Duration::ZERO);
        there.into_iter().zip(from).any(told)
    };
    while !is_ejected(all) {
        all.write(&there, 3)?;
        pace::sleep(BETWEEN_WRITES);
        ensure!(pace::now() < end, "the member that is away is not ejected");
    }
    pace::sleep(TRIM_TIME);
    all.write(&there, 1)?;
    Ok(())
}

/// Three members. One is killed, and started again when the others have trimmed the log. Then another member is frozen
/// until the others have trimmed the log again, and goes on.
///
/// # Errors
/// If one of them does not come back by a snapshot, or members differ.
pub fn away(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut all = Members::start(program, folder, 3, &[HELD_LOG])?;
    all.write(&[0, 1], 20)?;

    all.members[2].kill();
    write_until_ejected(&mut all, [0, 1])?;
    let from = all.members[2].log().length();
    all.start_member(2).context("start the member that was away")?;
    ensure!(all.members[2].log().wait_for(from, INSTALLED, Duration::ZERO), "it came back without a snapshot");
    all.compare().context("after a start with a snapshot")?;

    all.members[1].process().signal(Signal::STOP);
    write_until_ejected(&mut all, [0, 2])?;
    let from = all.members[1].log().length();
    all.members[1].process().signal(Signal::CONT);
    for line in [AGAIN, INSTALLED, SERVES] {
        let log = all.members[1].log();
        ensure!(
            log.wait_for(from, line, BACK_LIMIT),
            "the member that was frozen never says {line:?}:\n{}",
            log.tail()
        );
    }
    all.compare().context("after a start within the process")
}

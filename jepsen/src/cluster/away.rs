//! [`away`]: a member is away until the others have trimmed the log beyond what it has applied. It comes back by a
//! snapshot.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::Signal;

use naxos_proto::etcd::client::etcdserverpb::DefragmentRequest;
use naxos_proto::etcd::client::etcdserverpb::maintenance_client::MaintenanceClient;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::members::{Members, channel};
use super::watcher::Watcher;
use crate::pace;

/// With this limit a single segment of the journal is too large already. So every member whose position in the log does
/// not change for a while is ejected.
const HELD_LOG: &str = "--naxos-held-log-bytes=60000000";
/// How long it may take until a member that is away is ejected.
const EJECT_LIMIT: Duration = Duration::from_secs(30);
/// How long a member may take to come back.
const BACK_LIMIT: Duration = Duration::from_secs(60);
/// How long a trim may take after the ejection.
const TRIM_TIME: Duration = Duration::from_secs(2);
/// A pause between some writes, so that the members have little to copy.
const BETWEEN_WRITES: Duration = Duration::from_millis(100);
/// How far in the future watches begin, in revisions.
const AHEAD: i64 = 10;
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

/// A watch on a member that is behind. It begins at a revision that does not exist yet.
struct Ahead {
    watcher: Watcher,
    from: i64,
    there: [usize; 2],
}

impl Ahead {
    /// Begins the watch on `member`, which does not answer yet.
    fn of(all: &mut Members, runtime: &Runtime, member: usize, there: [usize; 2]) -> anyhow::Result<Self> {
        let from = all.write(&there, 1)? + AHEAD;
        Ok(Self { watcher: Watcher::start_at(runtime, all.url(member).to_owned(), "key", from), from, there })
    }

    /// Writes beyond the revision at which the watch begins. Checks that the watch gets everything from that revision on,
    /// and nothing older.
    fn check(self, all: &mut Members, runtime: &Runtime) -> anyhow::Result<()> {
        let last = all.write(&self.there, 2 * AHEAD.unsigned_abs())?;
        let seen = self.watcher.finish(runtime, last, BACK_LIMIT)?;
        ensure!(seen.iter().copied().eq(self.from..=last), "expected {}..={last}, found {seen:?}", self.from);
        Ok(())
    }
}

/// Copies the stores of two members again and again.
struct Defragmenting {
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<u64>>,
}

impl Defragmenting {
    fn start(runtime: &Runtime, urls: [String; 2]) -> Self {
        let stop = CancellationToken::new();
        let task = runtime.spawn({
            let stop = stop.clone();
            async move {
                let mut done = 0;
                while !stop.is_cancelled() {
                    for url in &urls {
                        MaintenanceClient::new(channel(url)).defragment(DefragmentRequest {}).await?;
                        done += 1;
                    }
                }
                Ok(done)
            }
        });
        Self { stop, task }
    }

    /// Ends it. Returns how many copies were made.
    fn finish(self, runtime: &Runtime) -> anyhow::Result<u64> {
        self.stop.cancel();
        runtime.block_on(self.task)?.context("Defragment while a snapshot is fetched")
    }
}

/// Three members. One is killed, and started again when the others have trimmed the log. Then another member is frozen
/// until the others have trimmed the log again, and goes on. The first member that comes back fetches its snapshot
/// while the others copy their stores for Defragment. On each of the two members that come back, a watch from a future
/// revision waits, and gets nothing older.
///
/// # Errors
/// If one of these statements does not hold, or if members differ.
pub fn away(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut all = Members::start(program, folder, 3, &[HELD_LOG])?;
    all.write(&[0, 1], 20)?;

    all.members[2].kill();
    write_until_ejected(&mut all, [0, 1])?;
    let from = all.members[2].log().length();
    let ahead = Ahead::of(&mut all, &runtime, 2, [0, 1])?;
    let defragmenting = Defragmenting::start(&runtime, [all.url(0).to_owned(), all.url(1).to_owned()]);
    all.start_member(2).context("start the member that was away")?;
    let defragmented = defragmenting.finish(&runtime)?;
    ensure!(defragmented > 0, "no copy was made while the member fetched the snapshot");
    ensure!(all.members[2].log().wait_for(from, INSTALLED, Duration::ZERO), "it came back without a snapshot");
    ahead.check(&mut all, &runtime).context("a watch in the future, on a member that takes a snapshot")?;
    all.compare().context("after a start with a snapshot")?;

    all.members[1].process().signal(Signal::STOP);
    write_until_ejected(&mut all, [0, 2])?;
    let from = all.members[1].log().length();
    let ahead = Ahead::of(&mut all, &runtime, 1, [0, 2])?;
    all.members[1].process().signal(Signal::CONT);
    for line in [AGAIN, INSTALLED, SERVES] {
        let log = all.members[1].log();
        ensure!(
            log.wait_for(from, line, BACK_LIMIT),
            "the member that was frozen never says {line:?}:\n{}",
            log.tail()
        );
    }
    ahead.check(&mut all, &runtime).context("a watch in the future, on a member that lags")?;
    all.compare().context("after a start within the process")
}

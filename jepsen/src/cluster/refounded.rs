//! [`refounded`]: two of three members lose their disks and begin a new cluster, while the third one stands still.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use rustix::process::Signal;
use tonic::Status;

use super::members::Members;
use super::start_all;

/// How long the third member may take to find out that the others belong to another cluster.
const FOUND_OUT: Duration = Duration::from_secs(10);
const WORDS: &str = "belong to another log";

/// Two of three members lose their disks at once, while the third one stands still. They begin a new cluster. When the
/// third one goes on with the data of the old cluster, it finds out that the others belong to another cluster, says so,
/// and serves nothing any more.
///
/// # Errors
/// If the third member still serves, does not say that the others belong to another log, or refuses for another reason.
/// Also if a member does not start, or if the new cluster cannot be written to.
pub fn refounded(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut all = Members::start(program, folder, 3, &[])?;
    all.write(&[0, 1, 2], 20)?;
    all.members[2].process().signal(Signal::STOP);
    for (lost, name) in ["a", "b"].into_iter().enumerate() {
        all.members[lost].kill();
        fs::remove_dir_all(folder.join(name)).context("destroy a disk")?;
    }
    start_all(&mut all.members[..2]).context("begin a new cluster")?;
    all.write(&[0, 1], 1)?;
    let from = all.members[2].log().length();
    all.members[2].process().signal(Signal::CONT);
    ensure!(
        all.members[2].log().wait_for(from, WORDS, FOUND_OUT),
        "the third member does not say that the others belong to another log"
    );
    let range = || pb::RangeRequest { key: "key/00001".into(), serializable: true, ..pb::RangeRequest::default() };
    let refused = all.until_done(FOUND_OUT, async || match KvClient::new(all.channel(2)).range(range()).await {
        Err(status) => Ok(status),
        Ok(_) => Err(Status::unavailable("it still serves the data of the old cluster")),
    })?;
    ensure!(refused.message() == "etcdserver: corrupt cluster", "it refuses for another reason: {refused}");
    all.write(&[0, 1], 10).context("the new cluster is disturbed")?;
    Ok(())
}

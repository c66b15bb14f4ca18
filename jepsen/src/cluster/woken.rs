//! [`woken`]: a process that was paused never serves a stale read when it wakes.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures::future::{join, join_all};
use naxos_proto::etcd::client::etcdserverpb::RangeRequest;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use rustix::process::Signal;
use tonic::Status;
use tonic::transport::Channel;

use super::members::{Members, put};
use crate::pace;

/// How often each member is paused.
const TURNS: usize = 4;
/// How many reads wait in the socket of the paused process.
const WAITING: usize = 16;
/// How long the reads have to get there.
const ON_THE_WAY: Duration = Duration::from_millis(100);
/// How long reads go on after the process has woken.
const AFTERWARDS: Duration = Duration::from_millis(500);
/// How long a member may take to serve again.
const BACK_LIMIT: Duration = Duration::from_secs(15);
const KEY: &str = "woken";

/// A linearizable read. Returns the revision of the key that it found, and the revision of its header.
async fn read(mut client: KvClient<Channel>) -> Result<(i64, i64), Status> {
    let answer = client.range(RangeRequest { key: KEY.into(), ..RangeRequest::default() }).await?.into_inner();
    let found = answer.kvs.first().map_or(0, |kv| kv.mod_revision);
    Ok((found, answer.header.map_or(0, |header| header.revision)))
}

/// Starts three members and pauses each of them in turn, the leader too. Meanwhile a key is written through another
/// member. When the paused member wakes, reads of that key wait in its socket, and more reads are sent after that. No
/// read may be answered with anything older than the writes that were acknowledged before it was sent.
///
/// # Errors
/// If a read is answered with something older, or a member does not serve reads any more.
pub fn woken(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let all = Members::start(program, folder, 3, &[])?;
    let mut answered = 0;
    for turn in 0..3 * TURNS {
        let paused = turn % 3;
        let client = KvClient::new(all.channel(paused));
        all.call(put(all.url(paused), KEY, vec![0])).context("before the pause")?;
        all.call(read(client.clone())).context("a read before the pause")?;
        all.members[paused].process().signal(Signal::STOP);
        let written = all.call(put(all.url((paused + 1) % 3), KEY, vec![b'x'; 100]));
        let outcomes = all.call(async {
            let waiting = join_all((0..WAITING).map(|_| read(client.clone())));
            let wake = async {
                pace::pause(ON_THE_WAY).await;
                all.members[paused].process().signal(Signal::CONT);
            };
            let (mut outcomes, ()) = join(waiting, wake).await;
            let end = pace::now() + AFTERWARDS;
            while pace::now() < end {
                outcomes.push(read(client.clone()).await);
            }
            outcomes
        });
        let written = written.with_context(|| format!("a write while member {paused} is paused"))?;
        for (found, header) in outcomes.into_iter().flatten() {
            answered += 1;
            ensure!(
                found >= written && header >= written,
                "member {paused} has woken and shows revision {found} (header {header}), although {written} was acknowledged"
            );
        }
        let serves = || all.call(read(client.clone())).ok();
        pace::wait_for(BACK_LIMIT, serves).with_context(|| format!("member {paused} serves no reads"))?;
    }
    ensure!(answered > 0, "no read was answered");
    println!("{answered} reads were answered by processes that had woken, none of them with something old");
    Ok(())
}

//! [`leaderless`]: two of three members are away, and the third has no leader for a while.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use futures::{StreamExt, stream};
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use naxos_proto::etcd::client::etcdserverpb::maintenance_client::MaintenanceClient;
use naxos_proto::etcd::client::etcdserverpb::watch_client::WatchClient;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

use super::members::{Members, watch_of_all};
use super::{NAMES, start_all};
use crate::kubernetes::probe;
use crate::pace;

/// How long it may take until the streams that want a leader are ended. etcd ends them when there has been no leader
/// for three election time-outs of 1 s each. The stream that stays must show a write within this time, once a second
/// member is back.
const LOST_LIMIT: Duration = Duration::from_secs(6);
/// How long the stream that does not want a leader must stay. A put that wants a leader must be refused within this
/// time.
const STAYS: Duration = Duration::from_secs(1);
/// What both the refusal of a call and the end of a stream say.
const NO_LEADER: &str = "etcdserver: no leader";

/// Adds the metadata with which a client says that it wants a leader.
fn wants_leader<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("hasleader", "true".parse().expect("it is ASCII"));
    request
}

/// Starts a watch of all keys and waits until it is created.
pub(super) async fn watch(member: Channel, with_leader: bool) -> Result<Streaming<pb::WatchResponse>, Status> {
    let requests = stream::iter([watch_of_all(1)]).chain(stream::pending());
    let request = if with_leader { wants_leader(requests) } else { Request::new(requests) };
    let mut answers = WatchClient::new(member).watch(request).await?.into_inner();
    answers.message().await?;
    Ok(answers)
}

/// Checks that a watch ends within `limit` because there is no leader.
pub(super) async fn ended_without_leader(
    limit: Duration,
    answers: &mut Streaming<pb::WatchResponse>,
) -> anyhow::Result<()> {
    let ended = pace::within(limit, drained(answers)).await.context("the watch that wants a leader stays")?;
    let Err(status) = ended else { bail!("the watch ends without an error") };
    ensure!(is_no_leader(&status), "the watch ends with {status}");
    Ok(())
}

/// Whether a watch gets the event of `revision` within `limit`.
pub(super) async fn sees(limit: Duration, answers: &mut Streaming<pb::WatchResponse>, revision: i64) -> bool {
    let seen = pace::within(limit, async {
        while let Ok(Some(answer)) = answers.message().await {
            if answer.events.iter().filter_map(|event| event.kv.as_ref()).any(|kv| kv.mod_revision == revision) {
                return true;
            }
        }
        false
    });
    seen.await == Some(true)
}

/// Reads the answers of a stream until it ends.
async fn drained(answers: &mut Streaming<pb::WatchResponse>) -> Result<(), Status> {
    while answers.message().await?.is_some() {}
    Ok(())
}

fn is_no_leader(status: &Status) -> bool {
    status.code() == Code::Unavailable && status.message() == NO_LEADER
}

/// Checks what a member tells its clients when two of three members are away. Calls and streams that want a leader end,
/// so that their clients go to another member. The other streams stay, and go on when a second member is back.
///
/// # Errors
/// If one of these statements does not hold.
pub fn leaderless(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut all = Members::start(program, folder, 3, &[])?;
    all.write(&[0, 1, 2], 6)?;
    let (mut wants, mut stays) = (all.call(watch(all.channel(2), true))?, all.call(watch(all.channel(2), false))?);

    all.members[0].kill();
    all.members[1].kill();
    all.call(ended_without_leader(LOST_LIMIT, &mut wants))?;
    let Err(status) = all.call(watch(all.channel(2), true)) else { bail!("a watch begins") };
    ensure!(is_no_leader(&status), "a new watch is refused with {status}");
    let put = || pb::PutRequest { key: "k".into(), ..pb::PutRequest::default() };
    let begun = pace::now();
    let Err(status) = all.call(KvClient::new(all.channel(2)).put(wants_leader(put()))) else { bail!("a put is done") };
    ensure!(is_no_leader(&status), "a put that wants a leader is refused with {status}");
    ensure!(begun.elapsed() < STAYS, "a put that wants a leader is refused only after {:?}", begun.elapsed());
    let status = all.call(MaintenanceClient::new(all.channel(2)).status(pb::StatusRequest {}))?.into_inner();
    ensure!(status.leader == 0 && status.errors.contains(&NO_LEADER.to_owned()), "the member's status is {status:?}");
    let (code, health) = probe::get(all.url(2).trim_start_matches("http://"), "/health")?;
    ensure!(code == 503 && health.contains("RAFT NO LEADER"), "the member's health is {code} {health}");
    let more = all.call(pace::within(STAYS, drained(&mut stays)));
    ensure!(more.is_none(), "the watch that does not want a leader ends: {more:?}");

    start_all(&mut all.members[..1]).with_context(|| format!("start {} again", NAMES[0]))?;
    let revision = all.write(&[2], 1)?;
    ensure!(
        all.call(sees(LOST_LIMIT, &mut stays, revision)),
        "the watch that stayed does not see the write after the second member's start"
    );
    all.call(watch(all.channel(2), true)).context("a watch that wants a leader")?;
    Ok(())
}

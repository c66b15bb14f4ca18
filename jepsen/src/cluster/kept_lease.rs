//! [`kept_lease`]: a lease survives three changes of its keeper, with its time to live.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use naxos_proto::etcd::client::etcdserverpb::lease_client::LeaseClient;
use naxos_proto::etcd::client::etcdserverpb::maintenance_client::MaintenanceClient;
use rustix::process::Signal;
use tonic::Status;

use super::members::Members;
use crate::pace;

/// The lease's time to live in seconds.
const TTL: i64 = 6;
/// How long a call is tried while the log is being reconfigured.
const LIMIT: Duration = Duration::from_secs(10);
/// How much longer than its time to live a lease may live.
const LATE: Duration = Duration::from_secs(4);
const KEY: &str = "leased";

/// A way in which the keeper of leases changes. The keeper is the leader.
#[derive(Clone, Copy, Debug)]
enum Change {
    Move,
    Freeze,
    Kill,
}

/// The ids of the three members.
pub(super) fn member_ids(all: &Members) -> anyhow::Result<Vec<u64>> {
    let id = |at| {
        let status = all.call(MaintenanceClient::new(all.channel(at)).status(pb::StatusRequest {}))?.into_inner();
        anyhow::Ok(status.header.context("the answer has no header")?.member_id)
    };
    (0..3).map(id).collect()
}

/// The number of the member that leads, according to the member `through`.
pub(super) fn leader(all: &Members, through: usize, ids: &[u64]) -> anyhow::Result<usize> {
    all.until_done(LIMIT, async || {
        let status = MaintenanceClient::new(all.channel(through)).status(pb::StatusRequest {}).await?.into_inner();
        let at = ids.iter().position(|id| *id == status.leader);
        at.ok_or_else(|| Status::unavailable("there is no leader"))
    })
}

pub(super) fn has_key(all: &Members, through: usize, key: &str) -> anyhow::Result<bool> {
    let range = || pb::RangeRequest { key: key.to_owned().into(), ..pb::RangeRequest::default() };
    let answer = all.until_done(LIMIT, async || KvClient::new(all.channel(through)).range(range()).await)?;
    Ok(!answer.into_inner().kvs.is_empty())
}

/// Changes the keeper. Returns a member that serves then, and the one that does not, if there is one.
fn change(all: &mut Members, ids: &[u64], change: Change) -> anyhow::Result<(usize, Option<usize>)> {
    let keeper = leader(all, 0, ids)?;
    let other = (keeper + 1) % 3;
    match change {
        Change::Move => {
            let moved = pb::MoveLeaderRequest { target_id: ids[other] };
            all.call(MaintenanceClient::new(all.channel(keeper)).move_leader(moved)).context("move the leader")?;
        }
        Change::Freeze => all.members[keeper].process().signal(Signal::STOP),
        Change::Kill => all.members[keeper].kill(),
    }
    all.until_done(LIMIT, async || {
        let now = MaintenanceClient::new(all.channel(other)).status(pb::StatusRequest {}).await?.into_inner().leader;
        let is_new = now != 0 && now != ids[keeper];
        is_new.then_some(()).ok_or_else(|| Status::unavailable("the leader is the same"))
    })?;
    Ok((other, (!matches!(change, Change::Move)).then_some(keeper)))
}

/// Three members. A lease is granted, and its keeper is moved, frozen and killed, one after the other. After each
/// change the lease still shows the time to live that was granted, and has at most that time left. Its key is there for
/// that long after the last renewal. In the end nobody renews the lease, and it ends.
///
/// # Errors
/// If it ends early, lives for longer, or shows another time to live.
pub fn kept_lease(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut all = Members::start(program, folder, 3, &[])?;
    let ids = member_ids(&all)?;
    let grant = pb::LeaseGrantRequest { ttl: TTL, id: 0 };
    let lease = all.call(LeaseClient::new(all.channel(1)).lease_grant(grant)).context("grant")?.into_inner().id;
    let put = || pb::PutRequest { key: KEY.into(), value: "v".into(), lease, ..pb::PutRequest::default() };
    all.until_done(LIMIT, async || KvClient::new(all.channel(2)).put(put()).await)?;
    let mut renewed = pace::now();
    for what in [Change::Move, Change::Freeze, Change::Kill] {
        let (through, gone) = change(&mut all, &ids, what).with_context(|| format!("{what:?}"))?;
        let ask = pb::LeaseTimeToLiveRequest { id: lease, keys: true };
        let left =
            all.until_done(LIMIT, async || LeaseClient::new(all.channel(through)).lease_time_to_live(ask).await)?;
        let left = left.into_inner();
        ensure!(left.granted_ttl == TTL, "after {what:?} its time to live is {} s", left.granted_ttl);
        ensure!((1..=TTL).contains(&left.ttl), "after {what:?} it has {} s left", left.ttl);
        ensure!(left.keys == [KEY], "after {what:?} it has the keys {:?}", left.keys);
        renewed = stays(&all, through, lease, renewed).with_context(|| format!("after {what:?}"))?;
        match (what, gone) {
            (Change::Freeze, Some(frozen)) => all.members[frozen].process().signal(Signal::CONT),
            (Change::Kill, Some(killed)) => all.start_member(killed).context("start the killed member")?,
            _ => {}
        }
        pace::sleep(Duration::from_secs(1));
    }
    let time_to_live = Duration::from_secs(TTL.unsigned_abs());
    let end = renewed + time_to_live + LATE;
    while has_key(&all, 0, KEY)? {
        ensure!(pace::now() < end, "nobody has renewed the lease for {:?}, and it lives", pace::now() - renewed);
        pace::sleep(Duration::from_millis(100));
    }
    ensure!(pace::now() >= renewed + time_to_live, "the lease has ended early");
    Ok(())
}

/// Checks that the key is there until just before the time to live has passed since the last renewal. Renews the lease
/// then, and returns when that was.
fn stays(all: &Members, through: usize, lease: i64, renewed: Instant) -> anyhow::Result<Instant> {
    let until = renewed + Duration::from_secs(TTL.unsigned_abs()) - Duration::from_millis(500);
    pace::sleep(until.saturating_duration_since(pace::now()));
    ensure!(has_key(all, through, KEY)?, "the lease has ended early");
    let sent = pace::now();
    let ttl = all.until_done(LIMIT, async || renew(all, through, lease).await)?;
    ensure!(ttl == TTL, "a renewal answers a time to live of {ttl} s");
    Ok(sent)
}

/// Renews a lease through the member `through`. Returns its time to live in seconds; 0 if the lease is gone.
pub(super) async fn renew(all: &Members, through: usize, lease: i64) -> Result<i64, Status> {
    let request = tokio_stream::once(pb::LeaseKeepAliveRequest { id: lease });
    let mut answers = LeaseClient::new(all.channel(through)).lease_keep_alive(request).await?.into_inner();
    let answer = answers.message().await?;
    answer.map(|answer| answer.ttl).ok_or_else(|| Status::unavailable("the stream has ended"))
}

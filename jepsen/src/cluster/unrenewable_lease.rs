//! [`unrenewable_lease`]: a lease does not end while no client can renew it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use naxos_proto::etcd::client::etcdserverpb::lease_client::LeaseClient;
use rustix::process::Signal;

use super::kept_lease::{has_key, leader, member_ids, renew};
use super::members::Members;
use crate::pace;

/// The lease's time to live in seconds.
const TTL: i64 = 3;
/// How long the quorum is away: much longer than the lease would live otherwise.
const AWAY: Duration = Duration::from_secs(8);
/// How long a call is tried.
const LIMIT: Duration = Duration::from_secs(10);
/// How much longer than its time to live the lease may live at the end.
const LATE: Duration = Duration::from_secs(4);
const KEY: &str = "leased";

/// Three members. The two that are not the keeper of leases are paused, so that no lease can be renewed. When they go on,
/// the lease is still there, is renewed, and ends when nobody renews it any more.
///
/// # Errors
/// If it has ended early, or does not end.
pub fn unrenewable_lease(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let all = Members::start(program, folder, 3, &[])?;
    let keeper = leader(&all, 0, &member_ids(&all)?)?;
    let others: Vec<usize> = (0..3).filter(|at| *at != keeper).collect();
    let grant = pb::LeaseGrantRequest { ttl: TTL, id: 0 };
    let lease = all.call(LeaseClient::new(all.channel(keeper)).lease_grant(grant)).context("grant")?.into_inner().id;
    let put = || pb::PutRequest { key: KEY.into(), value: "v".into(), lease, ..pb::PutRequest::default() };
    all.until_done(LIMIT, async || KvClient::new(all.channel(keeper)).put(put()).await)?;
    all.until_done(LIMIT, async || renew(&all, keeper, lease).await)?;
    let signal_others = |signal| others.iter().for_each(|at| all.members[*at].process().signal(signal));
    signal_others(Signal::STOP);
    pace::sleep(AWAY);
    signal_others(Signal::CONT);
    let ttl = all.until_done(LIMIT, async || renew(&all, keeper, lease).await)?;
    let renewed = pace::now();
    ensure!(ttl == TTL, "when the quorum is back, a renewal answers a time to live of {ttl} s");
    ensure!(has_key(&all, keeper, KEY)?, "the lease has lost its key");
    let end = renewed + Duration::from_secs(TTL.unsigned_abs()) + LATE;
    while has_key(&all, keeper, KEY)? {
        ensure!(pace::now() < end, "nobody has renewed the lease for {:?}, and it lives", pace::now() - renewed);
        pace::sleep(Duration::from_millis(100));
    }
    Ok(())
}

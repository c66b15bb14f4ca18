//! [`parted`]: the parts of a cluster run as processes of their own: log servers, sequencers and front ends.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use naxos_proto::control::control_client::ControlClient;
use naxos_proto::control::{MemberStatus, MembersRequest, NodeState};
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::client::etcdserverpb::cluster_client::ClusterClient;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use naxos_proto::etcd::client::etcdserverpb::lease_client::LeaseClient;
use naxos_proto::etcd::client::etcdserverpb::maintenance_client::MaintenanceClient;
use tonic::Status;

use super::members::Members;
use crate::etcd_server::{EtcdServer, free_ports, member_list};
use crate::pace;

/// The members, in the order of their numbers: the two front ends come first.
const PARTS: [(&str, &str); 7] = [
    ("f0", "front-end"),
    ("f1", "front-end"),
    ("l0", "log-server"),
    ("l1", "log-server"),
    ("l2", "log-server"),
    ("s0", "sequencer"),
    ("s1", "sequencer"),
];
const FRONT_ENDS: [usize; 2] = [0, 1];
const LOG_SERVERS: [usize; 3] = [2, 3, 4];
/// How long a change may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How long a removed member may take to end.
const END_LIMIT: Duration = Duration::from_secs(60);
/// The time to live of the leases in seconds.
const TTL: i64 = 3;
/// How much longer than its time to live a lease may live.
const LATE: Duration = Duration::from_secs(8);

/// Three log servers, two sequencers and two front ends are one etcd. Each part has only its own role. Each log server
/// and each front end is killed in turn. The sequencer in office is killed, moved, and ended by SIGTERM. Leases end
/// although the sequencer's process keeps none, also when the front end that keeps them is gone. After a restart of
/// all, everything is there. A removed log server ends. A data directory refuses a command of another role.
///
/// # Errors
/// If the cluster stops serving, front ends differ, or a process has a role that is not its own.
pub fn parted(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let ports = PARTS.map(|_| free_ports::<2>());
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let listed = member_list(PARTS.iter().zip(&ports).map(|((name, _), [_, peer])| (name, url(*peer))));
    let part = |((name, role), [client, peer]): (&(&str, &str), &[u16; 2])| {
        EtcdServer::part(program, folder, role, (name, *client, &url(*peer)), &listed)
    };
    let mut all = Members::of(PARTS.iter().zip(&ports).map(part).collect(), PARTS.len())?;
    all.compare_of(&FRONT_ENDS).context("all are there")?;
    await_roles(&all)?;

    for part in LOG_SERVERS {
        all.members[part].kill();
        all.compare_of(&FRONT_ENDS).with_context(|| format!("without {}", PARTS[part].0))?;
        all.start_member(part).with_context(|| format!("start {} again", PARTS[part].0))?;
    }
    let first = sequencer(&all)?;
    all.members[first].kill();
    all.compare_of(&FRONT_ENDS).context("the sequencer was killed")?;
    all.start_member(first).context("start the sequencer again")?;
    let second = sequencer(&all)?;
    ensure!(second != first, "the sequencer that was killed is in office");
    await_alive(&all, first)?;
    move_to(&all, first)?;
    ensure!(sequencer(&all)? == first, "the sequencer did not move");
    let status = all.members[first].terminate();
    ensure!(status.success(), "a sequencer ends with {status}");
    all.compare_of(&FRONT_ENDS).context("the sequencer was ended")?;
    all.start_member(first).context("start the ended sequencer")?;

    ends_a_lease(&mut all, 0).context("all are there")?;
    for part in FRONT_ENDS {
        all.members[part].kill();
        ends_a_lease(&mut all, 1 - part).with_context(|| format!("without {}", PARTS[part].0))?;
        all.start_member(part).with_context(|| format!("start {} again", PARTS[part].0))?;
        all.compare_of(&FRONT_ENDS)?;
    }
    all.restart()?;
    all.compare_of(&FRONT_ENDS).context("after a restart of all")?;
    await_roles(&all)?;

    let removed = LOG_SERVERS[2];
    let id = member(&all, PARTS[removed].0)?.member_id;
    let remove = || pb::MemberRemoveRequest { id };
    all.until_done(LIMIT, async || ClusterClient::new(all.channel(0)).member_remove(remove()).await)
        .context("remove a log server")?;
    let ended = all.members[removed].process_mut().wait(END_LIMIT);
    ensure!(ended.is_some_and(|status| status.success()), "the removed log server does not end: {ended:?}");
    all.compare_of(&FRONT_ENDS).context("two log servers are left")?;
    is_refused(program, folder, &listed)
}

/// The members, according to the first front end.
fn statuses(all: &Members) -> anyhow::Result<Vec<MemberStatus>> {
    let ask = async || ControlClient::new(all.channel(0)).members(MembersRequest {}).await;
    Ok(all.until_done(LIMIT, ask)?.into_inner().members)
}

fn member(all: &Members, name: &str) -> anyhow::Result<MemberStatus> {
    statuses(all)?.into_iter().find(|member| member.name == name).with_context(|| format!("{name} is not listed"))
}

/// The number of the member with the sequencer.
fn sequencer(all: &Members) -> anyhow::Result<usize> {
    let now = statuses(all)?.into_iter().find(|member| member.has_sequencer).context("no sequencer is in office")?;
    PARTS.iter().position(|(name, _)| *name == now.name).context("the sequencer is not one of the members")
}

fn await_alive(all: &Members, part: usize) -> anyhow::Result<()> {
    let end = pace::now() + LIMIT;
    while member(all, PARTS[part].0)?.state() != NodeState::Alive {
        ensure!(pace::now() < end, "{} does not come back", PARTS[part].0);
        pace::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Waits until the log is on the log servers and nowhere else, only they vote, only a sequencer gives out the
/// positions, and the log is kept for each front end.
fn await_roles(all: &Members) -> anyhow::Result<()> {
    let end = pace::now() + LIMIT;
    loop {
        let statuses = statuses(all)?;
        let fits = |member: &MemberStatus| {
            let role = PARTS.iter().find(|(name, _)| *name == member.name).map(|(_, role)| *role);
            let stores = role == Some("log-server");
            let applies = role == Some("front-end");
            member.holds_log == stores
                && member.votes == stores
                && (!member.has_sequencer || role == Some("sequencer"))
                && (member.needs_from.is_some() || !applies)
        };
        if statuses.len() == PARTS.len() && statuses.iter().all(fits) {
            return Ok(());
        }
        ensure!(pace::now() < end, "a process has a role that is not its own: {statuses:#?}");
        pace::sleep(Duration::from_millis(50));
    }
}

/// Moves the sequencer to another member: calls `MoveLeader` of a front end.
fn move_to(all: &Members, part: usize) -> anyhow::Result<()> {
    let target_id = member(all, PARTS[part].0)?.member_id;
    let moved = || pb::MoveLeaderRequest { target_id };
    all.until_done(LIMIT, async || MaintenanceClient::new(all.channel(0)).move_leader(moved()).await)
        .context("move the sequencer")?;
    Ok(())
}

/// Grants a lease, and waits until its key is gone: not before its time to live has passed.
fn ends_a_lease(all: &mut Members, through: usize) -> anyhow::Result<()> {
    let grant = async || {
        let request = pb::LeaseGrantRequest { ttl: TTL, id: 0 };
        LeaseClient::new(all.channel(through)).lease_grant(request).await
    };
    let granted = pace::now();
    let lease = all.until_done(LIMIT, grant).context("grant")?.into_inner().id;
    let put = || pb::PutRequest { key: "leased".into(), value: "v".into(), lease, ..pb::PutRequest::default() };
    all.until_done(LIMIT, async || KvClient::new(all.channel(through)).put(put()).await).context("put")?;
    let time_to_live = Duration::from_secs(TTL.unsigned_abs());
    let gone = async || {
        let range = pb::RangeRequest { key: "leased".into(), ..pb::RangeRequest::default() };
        let kvs = KvClient::new(all.channel(through)).range(range).await?.into_inner().kvs;
        if kvs.is_empty() { Ok(()) } else { Err(Status::unavailable("the lease lives")) }
    };
    all.until_done(time_to_live + LATE, gone).context("nobody ends the lease")?;
    ensure!(pace::now() - granted >= time_to_live, "the lease has ended early");
    Ok(())
}

/// A whole node refuses the directory of a log server, and a log server refuses URLs for clients and
/// `--force-new-cluster`.
fn is_refused(program: &Path, folder: &Path, listed: &str) -> anyhow::Result<()> {
    let (name, directory) = ("l0", folder.join("l0").display().to_string());
    let peer_url = listed.split(',').find_map(|pair| pair.strip_prefix("l0=")).context("l0 is not listed")?;
    let flags = [
        format!("--data-dir={directory}-copy"),
        format!("--name={name}"),
        format!("--listen-peer-urls={peer_url}"),
        format!("--initial-advertise-peer-urls={peer_url}"),
        format!("--initial-cluster={listed}"),
    ];
    super::copy_directory::copy_directory(Path::new(&directory), Path::new(&format!("{directory}-copy")))?;
    let clients = ["--listen-client-urls=http://127.0.0.1:0", "--advertise-client-urls=http://127.0.0.1:0"];
    let wanted = [
        ("", &clients[..], "the data directory belongs to `naxos log-server`: expected that command"),
        ("log-server", &clients[..], "--listen-client-urls is set, but `naxos log-server` serves no clients"),
        ("log-server", &["--force-new-cluster"][..], "--force-new-cluster makes a cluster of one whole node"),
    ];
    for (role, more, words) in wanted {
        let words_of_role = (!role.is_empty()).then(|| role.to_owned());
        let line: Vec<String> = words_of_role
            .into_iter()
            .chain(flags.iter().cloned())
            .chain(more.iter().map(|flag| (*flag).to_owned()))
            .collect();
        let refused = EtcdServer::from_command_line(program, &line).try_start();
        ensure!(refused.as_ref().is_err_and(|why| why.contains(words)), "{line:?}: expected {words:?}: {refused:?}");
    }
    Ok(())
}

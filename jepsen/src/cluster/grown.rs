//! [`grown`]: a cluster of one becomes a cluster of three, and its first member leaves it for good.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use naxos_proto::control::ChainRequest;
use naxos_proto::control::control_client::ControlClient;
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::client::etcdserverpb::cluster_client::ClusterClient;
use naxos_proto::etcd::client::etcdserverpb::kv_client::KvClient;
use naxos_proto::etcd::client::etcdserverpb::maintenance_client::MaintenanceClient;
use tonic::Status;
use tonic::transport::Channel;

use super::copy_directory::copy_directory;
use super::members::Members;
use crate::etcd_server::{EtcdServer, free_ports, member_list};
use crate::pace;

/// How long a change of members is tried, and how long its effects may take.
const LIMIT: Duration = Duration::from_secs(30);
/// The time between two attempts.
const TRY_AGAIN: Duration = Duration::from_millis(100);
const LEARNER: &str = "etcdserver: rpc not supported for learner";
const INSTALLED: &str = "the snapshot is installed";
const REMOVED: &str = "permanently removed from the cluster";

/// The cluster, and where its members are.
pub(super) struct Grown<'a> {
    pub(super) program: &'a Path,
    pub(super) folder: &'a Path,
    pub(super) all: Members,
    pub(super) peers: Vec<(String, String)>,
}

impl Grown<'_> {
    fn cluster(&self, through: usize) -> ClusterClient<Channel> {
        ClusterClient::new(self.all.channel(through))
    }

    /// Adds a member through another one, and starts it. Returns its number.
    fn add(&mut self, name: &str, through: usize, is_learner: bool) -> anyhow::Result<usize> {
        let [peer] = free_ports();
        self.add_at(name, format!("http://127.0.0.1:{peer}"), through, is_learner)
    }

    /// As [`Self::add`], with this peer URL.
    pub(super) fn add_at(
        &mut self,
        name: &str,
        peer_url: String,
        through: usize,
        is_learner: bool,
    ) -> anyhow::Result<usize> {
        let [client] = free_ports();
        let added = self.all.until_done(LIMIT, async || {
            let request = pb::MemberAddRequest { peer_ur_ls: vec![peer_url.clone()], is_learner };
            self.cluster(through).member_add(request).await
        });
        added.with_context(|| format!("add {name}"))?;
        self.peers.push((name.to_owned(), peer_url.clone()));
        let listed = member_list(self.peers.iter().map(|(name, url)| (name, url)));
        let extra = ["--initial-cluster-state=existing"];
        let member = (name, client, peer_url.as_str());
        let mut server = EtcdServer::member(self.program, self.folder, member, &listed, &extra);
        server.try_start().map_err(anyhow::Error::msg).with_context(|| format!("start {name}"))?;
        self.all.members.push(server);
        Ok(self.all.members.len() - 1)
    }

    fn id(&self, name: &str, through: usize) -> anyhow::Result<u64> {
        let list = self.all.until_done(LIMIT, async || {
            self.cluster(through).member_list(pb::MemberListRequest { linearizable: true }).await
        })?;
        id_in(&list.into_inner().members, name)
    }

    fn remove(&mut self, name: &str, through: usize) -> anyhow::Result<()> {
        let id = self.id(name, through)?;
        self.all
            .until_done(LIMIT, async || self.cluster(through).member_remove(pb::MemberRemoveRequest { id }).await)?;
        self.peers.retain(|(known, _)| known != name);
        Ok(())
    }

    fn leader(&self, through: usize) -> anyhow::Result<u64> {
        let leader = self.all.until_done(LIMIT, async || {
            let mut client = MaintenanceClient::new(self.all.channel(through));
            match client.status(pb::StatusRequest {}).await?.into_inner().leader {
                0 => Err(Status::unavailable("there is no leader")),
                leader => Ok(leader),
            }
        });
        leader.context("ask who leads")
    }

    /// A learner answers serializable reads and tells its status. It refuses puts, linearizable reads and the list of
    /// members.
    fn check_learner(&self, learner: usize) -> anyhow::Result<()> {
        let put = pb::PutRequest { key: "k".into(), ..pb::PutRequest::default() };
        let refused = self.all.call(KvClient::new(self.all.channel(learner)).put(put));
        ensure!(refused.is_err_and(|status| status.message() == LEARNER), "a learner takes a put");
        let list = self.all.call(self.cluster(learner).member_list(pb::MemberListRequest::default()));
        ensure!(list.is_err_and(|status| status.message() == LEARNER), "a learner lists the members");
        let range = |serializable| pb::RangeRequest { key: "last".into(), serializable, ..pb::RangeRequest::default() };
        let linearizable = self.all.call(KvClient::new(self.all.channel(learner)).range(range(false)));
        ensure!(linearizable.is_err_and(|status| status.message() == LEARNER), "a learner serves a linearizable read");
        self.all.call(KvClient::new(self.all.channel(learner)).range(range(true)))?;
        let status = self.all.call(MaintenanceClient::new(self.all.channel(learner)).status(pb::StatusRequest {}))?;
        ensure!(status.into_inner().is_learner, "it does not say that it is a learner");
        Ok(())
    }

    /// Writes until the log does not begin at its first position any more, so that the next member needs a snapshot.
    fn write_until_trimmed(&mut self) -> anyhow::Result<()> {
        let end = pace::now() + LIMIT;
        loop {
            self.all.write(&[0], 1)?;
            let chain = self.all.call(ControlClient::new(self.all.channel(0)).chain(ChainRequest {}))?.into_inner();
            if chain.trim_point > 0 {
                return Ok(());
            }
            ensure!(pace::now() < end, "the log is not trimmed");
            pace::sleep(TRY_AGAIN);
        }
    }

    /// Calls `MemberUpdate` with the peer URLs that the member already has.
    fn update(&self, name: &str, through: usize) -> anyhow::Result<()> {
        let id = self.id(name, through)?;
        let (_, url) = self.peers.iter().find(|(known, _)| known == name).context("the member was not added")?;
        let request = || pb::MemberUpdateRequest { id, peer_ur_ls: vec![url.clone()] };
        self.all.until_done(LIMIT, async || self.cluster(through).member_update(request()).await)?;
        Ok(())
    }

    fn promote(&self, name: &str, through: usize) -> anyhow::Result<()> {
        let list = self.all.call(self.cluster(through).member_list(pb::MemberListRequest::default()))?.into_inner();
        let id = id_in(&list.members, name)?;
        self.all
            .until_done(LIMIT, async || self.cluster(through).member_promote(pb::MemberPromoteRequest { id }).await)?;
        Ok(())
    }
}

fn id_in(members: &[pb::Member], name: &str) -> anyhow::Result<u64> {
    let found = members.iter().find(|member| member.name == name);
    Ok(found.with_context(|| format!("{name} is not in {members:?}"))?.id)
}

/// A cluster of one gets a learner, which is promoted and then killed: the first member goes on alone. The second one
/// comes back, and a third one is added. The leader is moved. Then the member that began the cluster is removed. It
/// ends by itself and never comes back. A new one is added in its place. In the end all are started again.
///
/// # Errors
/// If a change is not made, or a member does what it should not, or members differ.
pub fn grown(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let [client, peer] = free_ports();
    let peer_url = format!("http://127.0.0.1:{peer}");
    let first = EtcdServer::member(program, folder, ("a", client, &peer_url), &format!("a={peer_url}"), &[]);
    let mut all = Members::of(vec![first], 1)?;
    all.write(&[0], 30)?;
    let mut grown = Grown { program, folder, all, peers: vec![("a".to_owned(), peer_url)] };
    grown.write_until_trimmed()?;

    let b = grown.add("b", 0, true)?;
    let fetched = grown.all.members[b].log().wait_for(0, INSTALLED, Duration::ZERO);
    ensure!(fetched, "the log begins too early: the learner came without a snapshot");
    grown.all.write(&[0], 10)?;
    grown.check_learner(b)?;
    grown.update("b", 0).context("update the learner")?;
    grown.check_learner(b).context("MemberUpdate must not promote")?;
    grown.promote("b", 0).context("promote b")?;
    grown.all.compare().context("two members")?;
    grown.all.members[b].kill();
    grown.all.write(&[0], 10).context("the first of two members does not go on alone")?;
    grown.all.start_member(b).context("start b again")?;
    grown.all.compare().context("two members, after a start of the second")?;
    grown.all.members[0].kill();
    copy_directory(&folder.join("a"), &folder.join("a.copy")).context("keep a copy of the data directory of a")?;
    grown.all.start_member(0).context("start a again")?;
    grown.all.compare().context("two members, after a start of the first")?;

    let c = grown.add("c", b, false)?;
    grown.all.write(&[0, b, c], 10)?;
    grown.all.compare().context("three members")?;

    let (leader, ids) = (grown.leader(c)?, ["a", "b", "c"].map(|name| grown.id(name, c)));
    let ids = ids.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let at = ids.iter().position(|id| *id == leader).context("the leader is not a member")?;
    let target = ids[(at + 1) % 3];
    let mut maintenance = MaintenanceClient::new(grown.all.channel(at));
    grown.all.call(maintenance.move_leader(pb::MoveLeaderRequest { target_id: target })).context("move the leader")?;
    ensure!(grown.leader(at)? == target, "the leader was not moved");
    let refused = grown.all.call(maintenance.move_leader(pb::MoveLeaderRequest { target_id: leader }));
    ensure!(
        refused.is_err_and(|status| status.message() == "etcdserver: not leader"),
        "a member that is no longer the leader moves the leader"
    );

    pace::sleep(Duration::from_secs(3));
    grown.remove("a", b).context("remove a")?;
    grown.all.write(&[b, c], 10).context("after a was removed")?;
    let status = grown.all.members[0].process_mut().wait(LIMIT * 3);
    ensure!(status.is_some_and(|status| status.success()), "a does not end by itself: {status:?}");
    let Err(why) = grown.all.members[0].try_start() else { bail!("a removed member serves again") };
    ensure!(why.contains(REMOVED), "a removed member does not say why it ends:\n{why}");
    std::fs::remove_dir_all(folder.join("a"))?;
    std::fs::rename(folder.join("a.copy"), folder.join("a"))?;
    let Err(why) = grown.all.members[0].try_start() else { bail!("a removed member serves again from a copy") };
    ensure!(why.contains(REMOVED), "a removed member with a restored disk does not say why it ends:\n{why}");
    grown.all.compare_of(&[b, c]).context("after a was removed")?;

    std::fs::remove_dir_all(folder.join("a"))?;
    grown.all.members.remove(0);
    let (b, c) = (b - 1, c - 1);
    let a = grown.add("a2", c, false)?;
    grown.all.write(&[a, b, c], 10)?;
    grown.all.compare().context("after a new member took the place of a")?;
    grown.all.restart()?;
    grown.all.compare().context("after a start of all")
}

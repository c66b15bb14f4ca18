//! [`shrunk`]: a member leaves a cluster while another one is down.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use naxos_proto::control::ReconfigureRequest;
use naxos_proto::control::control_client::ControlClient;
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::client::etcdserverpb::cluster_client::ClusterClient;

use super::NAMES;
use super::members::Members;
use crate::etcd_server::EtcdServer;

/// How long a change may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How long a removed member may take to end.
const END_LIMIT: Duration = Duration::from_secs(60);

/// Four members run, and one of them is killed. Then another one is removed. The change of the voters still needs the
/// vote of the removed member, because three of the four earlier voters have to agree. Afterwards the log can be
/// reconfigured, the removed member ends, and the one that was killed comes back.
///
/// # Errors
/// If a change is not made in time, the removed member goes on, or members differ.
pub fn shrunk(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let servers = EtcdServer::members(program, folder, &NAMES[..4], &["--strict-reconfig-check=false"]);
    let mut all = Members::of(servers, 4)?;
    all.compare().context("four members")?;
    let list = all.call(ClusterClient::new(all.channel(0)).member_list(pb::MemberListRequest::default()))?.into_inner();
    let id = list.members.iter().find(|member| member.name == NAMES[3]).context("the fourth member is not listed")?.id;
    all.members[1].kill();
    let remove = || pb::MemberRemoveRequest { id };
    all.until_done(LIMIT, async || ClusterClient::new(all.channel(0)).member_remove(remove()).await)
        .context("remove a member while another one is down")?;
    let ended = all.members[3].process_mut().wait(END_LIMIT);
    ensure!(ended.is_some_and(|status| status.success()), "the removed member did not end with code 0: {ended:?}");
    // The chain can be changed only if a majority of the voters agrees. The voters are now the three members that are
    // left, and two of them run.
    let change = || ReconfigureRequest { kind: "native".to_owned() };
    all.until_done(LIMIT, async || ControlClient::new(all.channel(2)).reconfigure(change()).await)
        .context("reconfigure the log after the removal")?;
    all.compare_of(&[0, 2]).context("the two that are there")?;
    all.start_member(1).context("start the killed member again")?;
    all.compare_of(&[0, 1, 2]).context("the three that are left")
}

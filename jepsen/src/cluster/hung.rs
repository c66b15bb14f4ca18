//! [`hung`]: the disk of one of three members hangs.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use naxos_benches::servers::disk::Disk;
use naxos_proto::etcd::client::etcdserverpb as pb;
use naxos_proto::etcd::client::etcdserverpb::maintenance_client::MaintenanceClient;

use super::NAMES;
use super::leaderless::{ended_without_leader, sees, watch};
use super::members::Members;

/// The streams of clients that want a leader must end within this time. A disk counts as hung when a sync has taken
/// 1.5 s, and the streams end three election time-outs of 1 s after that.
const LOST_LIMIT: Duration = Duration::from_secs(8);

/// A disk that hangs until this value is dropped. A process that waits for the disk cannot even be killed, so this
/// value must be dropped before the members.
struct Frozen<'a>(&'a Disk);

impl<'a> Frozen<'a> {
    fn new(disk: &'a Disk) -> anyhow::Result<Self> {
        disk.freeze()?;
        Ok(Self(disk))
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.thaw() {
            eprintln!("the disk stays frozen: {error:#}");
        }
    }
}

/// The disk of the leader hangs, and later that of a follower. The other members go on. The member itself ends the
/// streams of clients that want a leader. It serves its other clients with the help of the other members. When the disk
/// works again, all members have the same state.
///
/// # Errors
/// If one of these statements does not hold.
pub fn hung(program: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut disks = Vec::new();
    for name in &NAMES[..3] {
        let disk = Disk::mount(folder)?;
        let data = disk.root().join("data");
        std::fs::create_dir(&data)?;
        symlink(&data, folder.join(name))?;
        disks.push(disk);
    }
    let mut all = Members::start(program, folder, 3, &[])?;
    all.write(&[0, 1, 2], 6)?;
    for role in ["leader", "follower"] {
        let leader = leader_of(&all)?;
        let member = if role == "leader" { leader } else { (leader + 1) % 3 };
        hang(&mut all, &disks[member], member).with_context(|| format!("the disk of the {role} hangs"))?;
        all.compare().with_context(|| format!("the disk of the {role} works again"))?;
    }
    Ok(())
}

fn hang(all: &mut Members, disk: &Disk, member: usize) -> anyhow::Result<()> {
    let (mut wants, mut stays) =
        (all.call(watch(all.channel(member), true))?, all.call(watch(all.channel(member), false))?);
    let others: Vec<usize> = (0..3).filter(|other| *other != member).collect();
    let _frozen = Frozen::new(disk)?;
    all.write(&others, 6).context("a write through the others")?;
    all.call(ended_without_leader(LOST_LIMIT, &mut wants))?;
    let revision = all.write(&others, 1).context("a later write through the others")?;
    ensure!(
        all.call(sees(LOST_LIMIT, &mut stays, revision)),
        "the watch at that member does not see a write of others"
    );
    let revision = all.write(&[member], 1).context("a write through that member")?;
    ensure!(all.call(sees(LOST_LIMIT, &mut stays, revision)), "the watch at that member does not see its own write");
    Ok(())
}

/// The first member that says that it is itself the leader.
fn leader_of(all: &Members) -> anyhow::Result<usize> {
    for member in 0..3 {
        let mut client = MaintenanceClient::new(all.channel(member));
        let status = all.call(client.status(pb::StatusRequest {}))?.into_inner();
        if status.header.is_some_and(|header| header.member_id == status.leader) {
            return Ok(member);
        }
    }
    anyhow::bail!("no member is the leader")
}

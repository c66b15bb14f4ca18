//! [`Cluster`]: the servers of one cluster, all on one machine.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use naxos_proto::control::control_client::ControlClient;
use naxos_proto::control::{ChainRequest, ChainResponse, ReconfigureRequest};
use naxos_proto::etcd::client::etcdserverpb as pb;
use pb::maintenance_client::MaintenanceClient;

use super::candidate::Candidate;
use super::delay_proxy::DelayProxy;
use super::disk::Disk;
use super::network::Network;
use super::proc_stat::ProcStat;
use super::program::Programs;
use super::running::Server;
use super::seat::Seat;
use crate::load::connection::{Connection, Endpoint};
use crate::pace;

/// How long a healthy member may take to answer a question about its state.
const ASK_LIMIT: Duration = Duration::from_secs(2);

/// How long a cluster may take to be whole once all its members serve.
const WHOLE_LIMIT: Duration = Duration::from_secs(60);

/// How long the members may take until they agree who leads.
const AGREE_LIMIT: Duration = Duration::from_secs(10);

/// Time between two looks at a cluster that is not whole yet.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// What the members stand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// Ports of the loopback interface, and folders of one file system.
    Plain,
    /// A file system for each member, which can be frozen.
    Disks,
    /// A network namespace for each member. The way from one member to another can be cut.
    Networks,
    /// Both of these.
    NetworksAndDisks,
    /// As [`Self::Plain`], with a proxy in front of each member that delays what other members exchange with it. A
    /// question and its answer together take this much longer.
    Delayed(Duration),
}

/// The members of one cluster. They are killed when this is dropped, and their data is removed.
#[derive(Debug)]
pub struct Cluster {
    // In this order the parts are dropped: first the servers, which use the others.
    servers: Vec<Server>,
    disks: Vec<Disk>,
    network: Option<Network>,
    _proxies: Vec<DelayProxy>,
}

impl Cluster {
    /// Starts `nodes` members with empty data directories, all at once, and waits until all of them serve.
    pub fn start(programs: &Programs, candidate: Candidate, nodes: usize, ground: Ground) -> Result<Self> {
        ensure!(nodes == 1 || candidate.stores(), "{candidate} is a server of one node");
        let mut cluster = Self { servers: Vec::new(), disks: Vec::new(), network: None, _proxies: Vec::new() };
        let mut seats = match ground {
            Ground::Networks | Ground::NetworksAndDisks => cluster.network.insert(Network::new(nodes)?).seats(),
            Ground::Plain | Ground::Disks | Ground::Delayed(_) => Seat::on_loopback(nodes)?,
        };
        if matches!(ground, Ground::Disks | Ground::NetworksAndDisks) {
            let parent = programs.data_folder()?;
            cluster.disks = (0..nodes).map(|_| Disk::mount(&parent)).collect::<Result<_>>()?;
        }
        if let Ground::Delayed(round_trip) = ground {
            for seat in &mut seats {
                let proxy = DelayProxy::start(seat.peer.clone(), round_trip / 2)?;
                seat.advertised = proxy.address().to_owned();
                cluster._proxies.push(proxy);
            }
        }
        for at in 0..nodes {
            let disk = cluster.disks.get(at).map(Disk::root);
            let server = Server::spawn(programs, candidate, &seats, at, disk)?;
            cluster.servers.push(server);
        }
        for server in &mut cluster.servers {
            server.wait_until_it_serves()?;
        }
        Ok(cluster)
    }

    /// The kind of server.
    pub fn candidate(&self) -> Candidate {
        self.servers[0].candidate()
    }

    /// Number of members.
    pub fn nodes(&self) -> usize {
        self.servers.len()
    }

    /// The endpoints of all members.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.servers.iter().map(|server| server.endpoint().clone()).collect()
    }

    /// CPU time and memory of each member's process.
    pub fn stats(&self) -> Result<Vec<ProcStat>> {
        self.servers.iter().map(Server::stat).collect()
    }

    /// The member with this number.
    pub fn server(&mut self, at: usize) -> &mut Server {
        &mut self.servers[at]
    }

    /// The disk of the member with this number, if the members have disks of their own (see [`Ground`]).
    pub fn disk(&self, at: usize) -> Result<&Disk> {
        self.disks.get(at).context("the members have no disks of their own")
    }

    /// The network of the members, if they have network namespaces of their own (see [`Ground`]).
    pub fn network(&self) -> Result<&Network> {
        self.network.as_ref().context("the members have no networks of their own")
    }

    /// The number of the leader: for Naxos the node that gives out positions in the log. All members must name the same
    /// one; waits for that, because the leader may have changed a moment ago.
    pub fn leader(&self) -> Result<usize> {
        let runtime = pace::runtime()?;
        let end = pace::now() + AGREE_LIMIT;
        loop {
            let ask =
                |endpoint| runtime.block_on(pace::within(ASK_LIMIT, id_and_leader(endpoint))).and_then(Result::ok);
            let told: Vec<Option<(u64, u64)>> = self.endpoints().iter().map(ask).collect();
            if let Some(leader) = agreed(&told) {
                return Ok(leader);
            }
            ensure!(pace::now() < end, "the members of {} do not agree who leads: {told:?}", self.candidate());
            pace::sleep(ASK_AGAIN);
        }
    }

    /// The endpoints of all members, that of the leader first. A server that is alone need not know who leads.
    pub fn leader_first(&self) -> Result<Vec<Endpoint>> {
        let mut endpoints = self.endpoints();
        if self.nodes() > 1 {
            let leader = endpoints.remove(self.leader()?);
            endpoints.insert(0, leader);
        }
        Ok(endpoints)
    }

    /// The newest chain of loglets that any member knows. `None` for a server that is not Naxos.
    pub fn chain(&self) -> Result<Option<ChainResponse>> {
        if self.candidate() != Candidate::Naxos {
            return Ok(None);
        }
        let runtime = pace::runtime()?;
        let ask = |endpoint| runtime.block_on(pace::within(ASK_LIMIT, chain(endpoint))).and_then(Result::ok);
        let newest = self.endpoints().iter().filter_map(ask).max_by_key(|chain| chain.version);
        newest.context("no member tells the chain").map(Some)
    }

    /// The number of the loglet that takes appends now. Each reconfiguration raises it. 0 for a server that is not
    /// Naxos.
    pub fn active_loglet(&self) -> Result<u64> {
        Ok(self.chain()?.and_then(|chain| chain.segments.last().map(|active| active.loglet_id)).unwrap_or(0))
    }

    /// Asks the member `at` to seal the active loglet, so that the log continues on a new one of this kind (empty: the
    /// same kind). Returns how long appends waited, as the member tells it.
    pub fn reconfigure(&self, at: usize, kind: &str) -> Result<Duration> {
        let endpoint = self.servers[at].endpoint();
        let pause = pace::runtime()?.block_on(async {
            let answer = control(endpoint).await?.reconfigure(ReconfigureRequest { kind: kind.to_owned() }).await?;
            anyhow::Ok(answer.into_inner().pause_us)
        });
        pause.map(Duration::from_micros)
    }

    /// Asks the leader, which is the member `from`, to let the member `to` lead. Returns when it does.
    pub fn move_leader(&self, from: usize, to: usize) -> Result<()> {
        let (leader, target) = (self.servers[from].endpoint(), self.servers[to].endpoint());
        pace::runtime()?.block_on(async {
            let (target_id, _) = id_and_leader(target).await?;
            let moved = maintenance(leader).await?.move_leader(pb::MoveLeaderRequest { target_id }).await;
            moved.context("MoveLeader")?;
            Ok(())
        })
    }

    /// Waits until every member answers a linearizable get, the active loglet is on the units of all, and all agree who
    /// leads.
    pub fn wait_until_whole(&mut self) -> Result<()> {
        for server in &mut self.servers {
            server.wait_until_it_serves()?;
        }
        let end = pace::now() + WHOLE_LIMIT;
        loop {
            let units = self.chain()?.and_then(|chain| chain.segments.last().map(|active| active.units.len()));
            if units.is_none_or(|units| units >= self.nodes()) {
                return self.leader().map(drop);
            }
            ensure!(pace::now() < end, "{} is not whole after {WHOLE_LIMIT:?}", self.candidate());
            pace::sleep(ASK_AGAIN);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A process that waits for a frozen file system cannot even be killed. Thawing fails where nothing is frozen.
        for disk in &self.disks {
            let _ = disk.thaw();
        }
    }
}

/// The number of the member whose id all members name as the leader. Each tells its own id and that of the leader.
fn agreed(told: &[Option<(u64, u64)>]) -> Option<usize> {
    let (_, leader) = told.first().copied().flatten()?;
    let is_agreed = told.iter().all(|one| one.is_some_and(|(_, named)| named == leader));
    told.iter().position(|one| one.is_some_and(|(own, _)| own == leader)).filter(|_| is_agreed)
}

/// The member's id, and that of the member which leads as far as it knows.
async fn id_and_leader(endpoint: &Endpoint) -> Result<(u64, u64)> {
    let status = maintenance(endpoint).await?.status(pb::StatusRequest {}).await?.into_inner();
    Ok((status.header.context("an answer without a header")?.member_id, status.leader))
}

async fn chain(endpoint: &Endpoint) -> Result<ChainResponse> {
    Ok(control(endpoint).await?.chain(ChainRequest {}).await?.into_inner())
}

async fn control(endpoint: &Endpoint) -> Result<ControlClient<Connection>> {
    Ok(ControlClient::with_origin(Connection::open(endpoint).await?, endpoint.origin()))
}

async fn maintenance(endpoint: &Endpoint) -> Result<MaintenanceClient<Connection>> {
    Ok(MaintenanceClient::with_origin(Connection::open(endpoint).await?, endpoint.origin()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_one_that_all_members_name() {
        assert_eq!(agreed(&[Some((7, 9)), Some((9, 9))]), Some(1));
        assert_eq!(agreed(&[Some((7, 7)), Some((9, 9))]), None, "each claims to be it");
        assert_eq!(agreed(&[Some((7, 9)), None]), None, "one does not answer");
        assert_eq!(agreed(&[Some((7, 0)), Some((9, 0))]), None, "nobody leads");
    }
}

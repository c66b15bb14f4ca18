//! [`found_cluster`]: agrees with the other listed members on the log of a new cluster, or remembers what was agreed.

use std::collections::BTreeMap;
use std::sync::Arc;

use naxos_log_server::founding::{Found, FoundingConfig, FoundingSeat};
use naxos_proto::contracts::{Founding, FoundingDirectory};
use naxos_proto::ids::{ClusterId, LogId, MemberId, StorageId};
use naxos_proto::peer::{FoundingService, RemoteFounding, serve};
use naxos_proto::seams::Seams;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use super::PeerPort;
use super::address_book::MemberAddress;
use super::cluster_view::ClusterNames;
use crate::config::{ClusterState, ServerConfig};
use crate::node::ids;
use crate::node::start::StartError;
use crate::tls::TlsError;

/// The members that the flags list.
struct Listed {
    /// etcd's cluster id.
    cluster: ClusterId,
    own: MemberId,
    others: BTreeMap<MemberId, MemberAddress>,
}

impl Listed {
    /// Reads the flags.
    fn new(config: &ServerConfig, seams: &Seams) -> Result<Self, TlsError> {
        let token = &config.cluster.token;
        let cluster = ClusterId(ids::cluster_id(&config.cluster.members, token));
        let mut others = BTreeMap::new();
        let mut own = MemberId(ids::member_id(&config.advertise_peer_urls, token));
        for (name, urls) in &config.cluster.members {
            let member = MemberId(ids::member_id(urls, token));
            if *name == config.name || urls.is_empty() {
                own = member;
            } else {
                others.insert(member, MemberAddress::of(&seams.net, config, urls)?);
            }
        }
        // The flags may list this member under an earlier name. Its id is the same: it depends on the URLs and the
        // token.
        others.remove(&own);
        Ok(Self { cluster, own, others })
    }
}

/// The members that began the cluster.
pub(in crate::node) struct Founders {
    pub(in crate::node) log: LogId,
    /// The data directory of each member.
    pub(in crate::node) seats: BTreeMap<MemberId, StorageId>,
    /// Answers members that were away at the founding.
    pub(in crate::node) seat: Arc<FoundingSeat>,
    /// Whether this data directory is none of the founders, and has to get the seat of its member.
    pub(in crate::node) joins: bool,
}

impl Founders {
    /// The founders that the decision `found` names.
    pub(super) fn new(found: Found, seat: Arc<FoundingSeat>) -> Self {
        let (log, joins) = (found.log(), matches!(found, Found::Exists { .. }));
        let seats = found.founders().iter().map(|founder| (founder.seat, founder.storage)).collect();
        Self { log, seats, seat, joins }
    }

    /// The ids of the cluster.
    pub(in crate::node) fn names(&self) -> ClusterNames {
        ClusterNames { cluster: self.seat.cluster(), log: self.log, founders: self.seats.clone() }
    }
}

struct Directory(BTreeMap<MemberId, Arc<dyn Founding>>);

impl FoundingDirectory for Directory {
    fn seat(&self, seat: MemberId) -> Option<Arc<dyn Founding>> {
        self.0.get(&seat).cloned()
    }
}

/// Waits until the cluster is founded. Other members are answered on `--listen-peer-urls` meanwhile. A data directory that
/// holds a cluster remembers it.
/// # Cancel safety
/// The call may be dropped and made again.
pub(in crate::node) async fn found_cluster(
    config: &ServerConfig,
    seams: &Seams,
    tls: Option<&TlsAcceptor>,
    stop: &CancellationToken,
) -> Result<Founders, StartError> {
    let listed = Listed::new(config, seams).map_err(|e| TlsError::Peers(Box::new(e)))?;
    let seats = listed.others.keys().copied().chain([listed.own]).collect();
    let settings = FoundingConfig { role: config.role, ..FoundingConfig::new(listed.cluster, listed.own, seats) };
    let seat = Arc::new(FoundingSeat::open(seams, settings, stop.child_token()).await?);
    let found = match seat.decided() {
        Some(found) => found,
        None => {
            let port = PeerPort::bind(&seams.net, &config.listen_peer_urls, tls).await?;
            let remote = |other: MemberAddress| {
                let address = other.address();
                Arc::new(RemoteFounding::new(&seams.clock, address, Arc::new(other))) as Arc<dyn Founding>
            };
            let directory =
                Directory(listed.others.into_iter().map(|(member, other)| (member, remote(other))).collect());
            let serving = stop.child_token();
            let routes = Routes::new(FoundingService::server(seat.clone()));
            let serves = serve(routes, port.connections(Arc::clone(&seams.clock)), serving.clone());
            let founds = async {
                let found = seat.found(&directory).await;
                serving.cancel();
                found
            };
            let (served, found) = tokio::join!(serves, founds);
            served.map_err(|error| StartError::PeerPort("--listen-peer-urls".to_owned(), error.to_string()))?;
            let found = found.map_err(|error| StartError::Founding(error.to_string()))?;
            tracing::info!(log = %found.log(), founders = found.founders().len(), "the members have founded the cluster");
            found
        }
    };
    let lists_members = config.cluster.discovery_srv.is_none();
    if lists_members && seat.cluster() != listed.cluster && config.cluster.state == ClusterState::New {
        tracing::info!(
            "cluster-id" = %seat.cluster(),
            "the data directory holds a cluster already, which keeps the --initial-cluster, --initial-cluster-token \
             and --initial-advertise-peer-urls with which it was begun: the flags given now count for nothing"
        );
    }
    Ok(Founders::new(found, seat))
}

//! [`found_cluster`]: agrees with the other members on the log of a new cluster, or remembers what was agreed.

use std::collections::BTreeMap;
use std::sync::Arc;

use naxos_log_server::founding::{Found, FoundingConfig, FoundingSeat};
use naxos_proto::contracts::{Founding, FoundingDirectory};
use naxos_proto::ids::{ClusterId, LogId, MemberId, StorageId};
use naxos_proto::peer::{Connector, FoundingService, RemoteFounding, serve};
use naxos_proto::seams::{Address, Seams};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use super::PeerPort;
use super::peer_tls::PeerConnector;
use crate::config::ServerConfig;
use crate::node::ids;
use crate::node::start::StartError;
use crate::tls::TlsError;

/// Another member, and how it is reached.
#[derive(Clone)]
pub(in crate::node) struct OtherMember {
    pub(in crate::node) address: Address,
    pub(in crate::node) connector: Arc<dyn Connector>,
}

/// The members that the flags list.
#[derive(Clone)]
pub(in crate::node) struct Listed {
    /// etcd's cluster id.
    pub(in crate::node) cluster: u64,
    pub(in crate::node) own: MemberId,
    pub(in crate::node) others: BTreeMap<MemberId, OtherMember>,
}

impl Listed {
    /// Reads the flags.
    pub(in crate::node) fn new(config: &ServerConfig, seams: &Seams) -> Result<Self, TlsError> {
        let token = &config.cluster.token;
        let cluster = ids::cluster_id(&config.cluster.members, token);
        let mut others = BTreeMap::new();
        let mut own = MemberId(ids::member_id(&config.advertise_peer_urls, token));
        for (name, urls) in &config.cluster.members {
            let member = MemberId(ids::member_id(urls, token));
            match urls.first() {
                Some(url) if *name != config.name => {
                    let connector = Arc::new(PeerConnector::new(Arc::clone(&seams.net), config, url)?);
                    others.insert(member, OtherMember { address: url.address(), connector });
                }
                _ => own = member,
            }
        }
        Ok(Self { cluster, own, others })
    }

    /// Whether the cluster has more than one member.
    pub(in crate::node) fn is_cluster(&self) -> bool {
        !self.others.is_empty()
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

struct Directory(BTreeMap<MemberId, Arc<dyn Founding>>);

impl FoundingDirectory for Directory {
    fn seat(&self, seat: MemberId) -> Option<Arc<dyn Founding>> {
        self.0.get(&seat).cloned()
    }
}

/// Waits until the cluster is founded. Other members are answered on `--listen-peer-urls` meanwhile.
/// # Cancel safety
/// It may be dropped and called again.
pub(in crate::node) async fn found_cluster(
    config: &ServerConfig,
    seams: &Seams,
    listed: &Listed,
    tls: Option<&TlsAcceptor>,
    stop: &CancellationToken,
) -> Result<Founders, StartError> {
    let seats = listed.others.keys().copied().chain([listed.own]).collect();
    let settings = FoundingConfig::new(ClusterId(listed.cluster), listed.own, seats);
    let seat = Arc::new(FoundingSeat::open(seams, settings, stop.child_token()).await?);
    let found = match seat.decided() {
        Some(found) => found,
        None => {
            let port = PeerPort::bind(&seams.net, &config.listen_peer_urls, tls).await?;
            let remote = |other: &OtherMember| {
                let connector = Arc::clone(&other.connector);
                Arc::new(RemoteFounding::new(&seams.clock, other.address.clone(), connector)) as Arc<dyn Founding>
            };
            let directory = Directory(listed.others.iter().map(|(member, other)| (*member, remote(other))).collect());
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
            found.map_err(|error| StartError::Founding(error.to_string()))?
        }
    };
    tracing::info!(log = %found.log(), founders = found.founders().len(), "the members have founded the cluster");
    match found {
        Found::Founder { log, founders } => {
            let seats = founders.iter().map(|founder| (founder.seat, founder.storage)).collect();
            Ok(Founders { log, seats, seat, joins: false })
        }
        Found::Exists { log, founders } if !founders.is_empty() => {
            let seats = founders.iter().map(|founder| (founder.seat, founder.storage)).collect();
            Ok(Founders { log, seats, seat, joins: true })
        }
        Found::Exists { log, .. } => Err(StartError::Founding(format!(
            "the cluster was begun as log {log} by one member alone; to add members to it is not built yet"
        ))),
    }
}

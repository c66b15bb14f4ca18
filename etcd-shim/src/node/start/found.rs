//! The first step: [`Found`].

use std::sync::Arc;
use std::time::Duration;

use naxos_engines::LocalStore;
use naxos_log_server::{FoundJournal, LogServerConfig, OpenError};
use naxos_proto::ids::LogId;
use naxos_proto::seams::Seams;

use super::context::Context;
use super::open_store::open_store;
use super::start_error::StartError;
use crate::config::{ClusterState, ServerConfig};
use crate::metrics::Metrics;
use crate::node::cluster::{Founders, Listed, found_cluster, peer_tls};
use crate::node::stops::Stops;
use crate::port::{BoundPort, PortConfig};
use crate::state::SharedStore;
use crate::tls::TlsError;

/// The ports are bound, and the data directory was read and is good. A directory that has data is not changed until the
/// local store is opened, which is the last part of this step.
pub(super) struct Found {
    pub(super) context: Context,
    pub(super) bound: BoundPort,
    /// The members that the flags list.
    pub(super) listed: Listed,
    /// The members that began the cluster; `None` if it has one member.
    pub(super) founders: Option<Founders>,
    pub(super) journal: FoundJournal,
    pub(super) local_store: LocalStore,
    /// The store, rebuilt in memory from the local store's rows.
    pub(super) store: Arc<SharedStore>,
}

impl Found {
    /// Binds the ports and looks at the data directory.
    pub(super) async fn look(
        config: ServerConfig,
        seams: Seams,
        runtimes: usize,
        unit: LogServerConfig,
        stops: Stops,
    ) -> Result<Found, StartError> {
        refuse_to_begin(&config, &seams).await?;
        let port_config = PortConfig::from_server(&config, runtimes)?;
        let bound = BoundPort::bind(seams.clone(), port_config, stops.serving.clone()).await?;
        let metrics = Arc::new(Metrics::new(config.metrics, runtimes, &config.feature_gates, seams.clock.wall().0));
        metrics.set_cluster_version("3.6");

        let listed = Listed::new(&config, &seams).map_err(|e| TlsError::Peers(Box::new(e)))?;
        let founders = if listed.is_cluster() {
            let tls = peer_tls::acceptor(&config)?;
            Some(found_cluster(&config, &seams, &listed, tls.as_ref(), &stops.running).await?)
        } else {
            None
        };
        let wanted = founders.as_ref().map_or(LogId(listed.cluster), |founders| founders.log);
        let reserve_bytes = unit.reserve_bytes;
        let unit = LogServerConfig { log: Some(wanted), member: Some(listed.own), ..unit };
        let journal = find_journal(&seams, unit, &metrics).await?;
        if journal.log() != wanted {
            tracing::info!(
                "cluster-id" = %journal.log(),
                "the data directory holds a cluster already: --initial-cluster, --initial-cluster-token and \
                 --initial-advertise-peer-urls are those that it was begun with"
            );
        }
        let (local_store, store) =
            open_store(&seams, &journal, founders.is_none(), config.limits.resident_bytes).await?;
        let context = Context { config, seams, runtimes, stops, metrics, reserve_bytes };
        Ok(Found { context, bound, listed, founders, journal, local_store, store })
    }
}

/// If the data directory holds no cluster yet, refuses flags that do not describe a new cluster, and flags that ask to
/// join one: the start must not create a new cluster instead.
async fn refuse_to_begin(config: &ServerConfig, seams: &Seams) -> Result<(), StartError> {
    let begun = match seams.disk.list("").await {
        Ok(names) => naxos_log_server::is_begun(&names),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    };
    let is_of_a_cluster = seams.disk.list("").await.is_ok_and(|names| names.iter().any(|name| name == "founding"));
    match (&config.cluster.state, &config.cluster.refusal) {
        // The addresses of the other members are only in the flags.
        _ if is_of_a_cluster && config.cluster.members.len() == 1 => Err(StartError::Begin(
            "the data directory belongs to a cluster of several members: expected --initial-cluster with all of them, as \
             at the first start"
                .to_owned(),
        )),
        _ if begun => Ok(()),
        (_, Some(refusal)) => Err(StartError::Begin(refusal.clone())),
        (ClusterState::Existing, None) => Err(StartError::Join),
        (ClusterState::New, None) => Ok(()),
    }
}

/// Reads the data directory and checks that it is good. If the directory is empty, formats it.
async fn find_journal(seams: &Seams, unit: LogServerConfig, metrics: &Arc<Metrics>) -> Result<FoundJournal, OpenError> {
    let observed = Arc::clone(metrics);
    let on_sync: naxos_log_server::SyncObserver =
        Arc::new(move |took: Duration| observed.disk.wal_fsync.observe(took.as_secs_f64()));
    let unit = LogServerConfig { on_sync: Some(on_sync), ..unit };
    FoundJournal::read(seams.clone(), unit).await
}

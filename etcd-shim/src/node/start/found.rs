//! The first step: [`Found`].

use std::sync::Arc;
use std::time::Duration;

use naxos_log_server::{FoundJournal, LogServerConfig, OpenError};
use naxos_proto::contracts::ClusterView;
use naxos_proto::ids::Lsn;
use naxos_proto::role::Role;
use naxos_proto::seams::Seams;
use tokio_rustls::TlsAcceptor;

use super::catch_up::OpenStore;
use super::context::Context;
use super::open_store::open_store;
use super::own_rows::check_own_rows;
use super::start_error::StartError;
use crate::config::{ClusterState, ServerConfig};
use crate::metrics::Metrics;
use crate::node::cluster::{
    Founders, check_list, check_no_old_copy, cluster_view, discover, enter_cluster, found_cluster, peer_tls,
    read_members,
};
use crate::node::recover::{begin_of_log, finish_swap, force_new_cluster};
use crate::node::stops::Stops;
use crate::port::{BoundPort, PortConfig};
use crate::state::Applicator;

/// The ports are bound, and the data directory was read and is good. Except by a recovery, a directory that has data is
/// not changed until the local store is opened, which is the last part of this step.
pub(super) struct Found {
    pub(super) context: Context,
    pub(super) bound: BoundPort,
    /// TLS of the port for other members, if a peer URL is secure.
    pub(super) peer_tls: Option<TlsAcceptor>,
    /// The members that began the cluster.
    pub(super) founders: Founders,
    /// The members as this node, or one that it has asked, knew them last. They are empty if the cluster is new.
    pub(super) known: ClusterView,
    /// Where the log begins, if there is no chain yet.
    pub(super) begin: Lsn,
    pub(super) journal: FoundJournal,
    /// The local store, and the store that was rebuilt from it in memory. `None` if this process replays no log.
    pub(super) store: Option<OpenStore>,
}

impl Found {
    /// Binds the ports and reads the data directory. A new directory first founds a cluster or enters one. This waits
    /// until the cluster is founded, or until one of its members answers.
    pub(super) async fn look(
        config: ServerConfig,
        seams: Seams,
        runtimes: usize,
        unit: LogServerConfig,
        stops: Stops,
        applicator: Option<Arc<dyn Applicator>>,
    ) -> Result<Found, StartError> {
        finish_swap(&*seams.disk).await?;
        check_no_old_copy(&*seams.disk).await?;
        if config.cluster.force_new {
            refuse_unless_whole(config.role)?;
            force_new_cluster(&config, &seams, applicator.clone()).await?;
        }
        let is_new = !holds_cluster(&seams).await;
        let config = if is_new { discover(config).await? } else { config };
        if let Some(refusal) = config.cluster.refusal.as_ref().filter(|_| is_new) {
            return Err(StartError::Begin(refusal.clone()));
        }
        let port_config = PortConfig::from_server(&config, runtimes)?;
        let bound = BoundPort::bind(seams.clone(), port_config, stops.serving.clone()).await?;
        let metrics = Arc::new(Metrics::new(config.metrics, runtimes, &config.feature_gates, seams.clock.wall().0));
        metrics.set_cluster_version("3.6");

        let peer_tls = peer_tls::acceptor(&config)?;
        let (founders, told) = if is_new && config.cluster.state == ClusterState::Existing {
            let (founders, view) = enter_cluster(&config, &seams, &stops.running).await?;
            (founders, Some(view))
        } else {
            (found_cluster(&config, &seams, peer_tls.as_ref(), &stops.running).await?, None)
        };
        check_roles(config.role, &founders)?;
        let begin = begin_of_log(&*seams.disk).await?;
        let reserve_bytes = unit.reserve_bytes;
        let unit = LogServerConfig { log: Some(founders.log), member: Some(founders.seat.member()), ..unit };
        let journal = find_journal(&seams, unit, &metrics).await?;
        let remembered = read_members(&*seams.disk).await.map_err(StartError::Members)?;
        let is_alone = match remembered.as_ref().or(told.as_ref()) {
            Some(view) => view.seats.len() == 1,
            None => founders.seats.len() == 1 && !founders.joins,
        };
        let (store, stored) = if config.role.has_state() {
            let open = open_store(&seams, &journal, is_alone, config.limits.resident_bytes).await?;
            check_own_rows(&open.0.reader(), applicator.is_some())?;
            let stored = cluster_view(&open.1, &founders.names(), open.0.reader().applied());
            (Some(open), stored)
        } else {
            (None, founders.names().first_view())
        };
        let known = ClusterView::newest([told, remembered, Some(stored)].into_iter().flatten());
        let known = known.expect("the store has a view");
        if !is_new {
            let members = store.as_ref().map(|(_, store)| store.read().removed.clone()).unwrap_or_default();
            // A recovery removes members too. A node that it removed must not come back: it would found a store of its own.
            let had_others = begin == Lsn::ZERO && !members.is_empty();
            check_list(&config, founders.seat.member(), &known, had_others)?;
        }
        let config = if is_new { config } else { with_members(config, is_alone || !known.members.is_empty()).await? };
        let context = Context { config, seams, runtimes, stops, metrics, reserve_bytes, applicator };
        Ok(Found { context, bound, peer_tls, founders, known, begin, journal, store })
    }
}

/// The configuration of a data directory that holds a cluster. The DNS is asked for the members only if the directory
/// does not know them. That is so if it founded a cluster of several members, and its process ended before it had read
/// the members from the log.
async fn with_members(config: ServerConfig, are_known: bool) -> Result<ServerConfig, StartError> {
    if !are_known {
        return Ok(discover(config).await?);
    }
    if let Some(srv) = &config.cluster.discovery_srv {
        tracing::info!(
            "discovery-srv" = srv.domain,
            "the data directory holds a cluster already: the DNS is not asked for its members"
        );
    }
    Ok(config)
}

/// Checks that the data directory was made for this role. Also checks that, among the members that founded the cluster,
/// at least one has a storage unit, one has a sequencer, and one replays the log.
fn check_roles(role: Role, founders: &Founders) -> Result<(), StartError> {
    let found = Role::of(founders.seat.storage_id());
    if found != role {
        return Err(StartError::Begin(format!(
            "the data directory belongs to `{}`: expected that command, or another --data-dir for `{}`",
            found.command(),
            role.command()
        )));
    }
    let lacks = |has: fn(Role) -> bool| !founders.seats.values().any(|storage| has(Role::of(*storage)));
    let missing = match (lacks(Role::has_unit), lacks(Role::has_sequencer), lacks(Role::has_state)) {
        (true, ..) => Role::LogServer,
        (_, true, _) => Role::Sequencer,
        (.., true) => Role::FrontEnd,
        (false, false, false) => return Ok(()),
    };
    Err(StartError::Begin(format!(
        "--initial-cluster: expected at least one member that runs `naxos` or `{}`, and found none among the members that \
         founded the cluster",
        missing.command()
    )))
}

/// Only a whole node can become a cluster of one member.
fn refuse_unless_whole(role: Role) -> Result<(), StartError> {
    match role {
        Role::Node => Ok(()),
        _ => Err(StartError::Begin(format!(
            "--force-new-cluster makes a cluster of one whole node, and `{}` runs only a part of a node: expected \
             `naxos ctl recover` with the data directories of all members that are left",
            role.command()
        ))),
    }
}

/// Whether the data directory holds a cluster already.
async fn holds_cluster(seams: &Seams) -> bool {
    match seams.disk.list("").await {
        Ok(names) => naxos_log_server::is_begun(&names),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// Reads the data directory and checks that it is good. If the directory is not formatted yet, formats it.
async fn find_journal(seams: &Seams, unit: LogServerConfig, metrics: &Arc<Metrics>) -> Result<FoundJournal, OpenError> {
    let observed = Arc::clone(metrics);
    let on_sync: naxos_log_server::SyncObserver =
        Arc::new(move |took: Duration| observed.disk.wal_fsync.observe(took.as_secs_f64()));
    let unit = LogServerConfig { on_sync: Some(on_sync), ..unit };
    FoundJournal::read(seams.clone(), unit).await
}

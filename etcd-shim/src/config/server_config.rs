//! The configuration of a node, as types.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use naxos_proto::role::Role;

use super::compaction::AutoCompaction;
use super::feature_gates::FeatureGates;
use super::log_config::LogConfig;
use super::srv_domain::SrvDomain;
use super::tls_files::{TlsFiles, TlsOptions};
use super::url::Url;

/// The name under which the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Any file name but `etcd`.
    Naxos,
    /// The file name `etcd`: the default data directory is etcd's.
    Etcd,
}

/// Whether the first start creates a cluster or joins one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterState {
    /// The first start creates a cluster.
    New,
    /// The first start joins a cluster.
    Existing,
}

/// How detailed `/metrics` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsLevel {
    /// All metrics except the histograms of the RPCs' durations.
    Basic,
    /// All metrics. Each RPC has a histogram of its durations too.
    Extensive,
}

/// The cluster as the flags describe it, and the rules for changes of its members. Once a data directory holds a
/// cluster, it says itself which cluster that is. `is_compared`, `strict_reconfig_check`, `learners_max` and `force_new`
/// count at every start.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// The members' peer URLs, by member name. This member is one of them unless `refusal` says otherwise. Empty if
    /// `discovery_srv` is set, until the DNS was asked.
    pub members: BTreeMap<String, Vec<Url>>,
    /// Whether `members` must fit a data directory that holds a cluster. A program that embeds the server wants to know
    /// if they do not; etcd does not compare them.
    pub is_compared: bool,
    /// The DNS domain that lists the members, instead of the flags.
    pub discovery_srv: Option<SrvDomain>,
    /// Why these flags cannot create a cluster; `None` if they can.
    pub refusal: Option<String>,
    /// Whether to create a cluster or to join one.
    pub state: ClusterState,
    /// A text from which, together with URLs, the ids of cluster and members are made. With different texts two
    /// clusters with equal URLs have different ids.
    pub token: String,
    /// Whether to refuse a change of members that would cost the quorum.
    pub strict_reconfig_check: bool,
    /// The most learners that the cluster may have.
    pub learners_max: u32,
    /// Whether to turn the data directory into a cluster of one member, after its cluster has lost its quorum.
    pub force_new: bool,
}

/// Limits above which requests are refused, the limit of memory for values, and the limit of the log that a member
/// which is away may hold back.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The quota in bytes. 0 means etcd's default of 2 GiB; a negative value means no limit.
    pub quota_backend_bytes: i64,
    /// The most operations in one transaction.
    pub max_txn_ops: usize,
    /// The most bytes in one request.
    pub max_request_bytes: usize,
    /// The most streams on one HTTP/2 connection.
    pub max_concurrent_streams: u32,
    /// The most bytes of values kept in memory.
    pub resident_bytes: usize,
    /// The most bytes of the log that a member which is away may hold back.
    pub held_log_bytes: u64,
}

/// Pings on HTTP/2 connections.
#[derive(Clone, Copy, Debug)]
pub struct Keepalive {
    /// etcd's shortest time that a client must leave between two pings. It has no effect here: clients may ping as
    /// often as they like.
    pub min_time: Duration,
    /// The time between two pings of the server; zero means no pings.
    pub interval: Duration,
    /// How long to wait for the answer to a ping; zero means no pings.
    pub timeout: Duration,
}

/// Settings of users and their tokens.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// The kind of token.
    pub token: String,
    /// The cost for bcrypt.
    pub bcrypt_cost: u32,
    /// How long a simple token is valid.
    pub token_ttl: Duration,
}

/// The whole configuration of a node. A flag that the tables of flags mark as `ignored` is read and checked, but has no
/// effect.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The name under which the program runs.
    pub program: Program,
    /// Which parts of Naxos the process runs.
    pub role: Role,
    /// This member's name.
    pub name: String,
    /// The directory of all data.
    pub data_dir: PathBuf,
    /// URLs on which clients are served. Empty only if `role` serves none.
    pub listen_client_urls: Vec<Url>,
    /// URLs on which only HTTP is served. If there are any, the client URLs serve only gRPC.
    pub listen_client_http_urls: Vec<Url>,
    /// Further URLs on which metrics and health are served.
    pub listen_metrics_urls: Vec<Url>,
    /// URLs on which other members are served. Empty only in a program whose node is alone: then no member can be added.
    pub listen_peer_urls: Vec<Url>,
    /// The client URLs that are announced to others.
    pub advertise_client_urls: Vec<Url>,
    /// The peer URLs that are announced to others.
    pub advertise_peer_urls: Vec<Url>,
    /// The cluster at the first start.
    pub cluster: ClusterConfig,
    /// The limits of requests and of memory.
    pub limits: Limits,
    /// The settings of pings.
    pub keepalive: Keepalive,
    /// The longest time between two heartbeats. If it is more than 50 ms, a node sends one every 50 ms all the same.
    pub heartbeat: Duration,
    /// etcd's election time-out. A request may take 5 s plus twice this time, and a lease lives for at least one and a
    /// half times this long.
    pub election_timeout: Duration,
    /// Automatic compaction.
    pub auto_compaction: AutoCompaction,
    /// How many revisions one step of a compaction drops in etcd. It has no effect here: what a compaction frees is
    /// dropped at a pace of its own.
    pub compaction_batch_limit: usize,
    /// etcd's pause between two steps of a compaction. It has no effect here either.
    pub compaction_sleep_interval: Duration,
    /// The time between two progress notifications of a watch.
    pub watch_progress_notify_interval: Duration,
    /// Requests that take longer than this are logged.
    pub warning_unary_request_duration: Duration,
    /// Log entries whose application takes longer than this are to be logged. Not built yet.
    pub warning_apply_duration: Duration,
    /// etcd's time between two comparisons of the members' data. It has no effect here: the members compare their
    /// states all the time.
    pub corrupt_check_time: Duration,
    /// etcd's time between two comparisons of hashes at compacted revisions. It has no effect here either.
    pub compact_hash_check_time: Duration,
    /// The certificate files for connections with clients.
    pub client_tls: TlsFiles,
    /// The certificate files for connections among members.
    pub peer_tls: TlsFiles,
    /// TLS versions and cipher suites.
    pub tls: TlsOptions,
    /// The origins from which browsers may call; `*` or an empty set means all.
    pub cors: BTreeSet<String>,
    /// The host names that plain HTTP requests may ask for; `*` or an empty set means all.
    pub host_whitelist: BTreeSet<String>,
    /// Settings of users.
    pub auth: AuthConfig,
    /// The feature gates.
    pub feature_gates: FeatureGates,
    /// How detailed `/metrics` is.
    pub metrics: MetricsLevel,
    /// The settings of the log.
    pub log: LogConfig,
    /// Whether etcd would answer requests before their data is on disk. It has no effect here: every answer waits until
    /// its data is on disk.
    pub unsafe_no_fsync: bool,
    /// The flags that were set but have no effect.
    pub ignored: Vec<String>,
}

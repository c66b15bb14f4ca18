//! What a node is told at its start, as types.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::compaction::AutoCompaction;
use super::feature_gates::FeatureGates;
use super::log_config::LogConfig;
use super::tls_files::{TlsFiles, TlsOptions};
use super::url::Url;

/// Under which name the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Any file name but `etcd`.
    Naxos,
    /// The file name `etcd`: the default data directory is etcd's.
    Etcd,
}

/// Whether the first start makes a cluster or joins one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterState {
    /// It makes one.
    New,
    /// It joins one.
    Existing,
}

/// How much `/metrics` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsLevel {
    /// Counters and gauges, histograms of the disk.
    Basic,
    /// A histogram of every RPC besides.
    Extensive,
}

/// The cluster as the flags describe it. Counts at the first start only.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Members by name, with their peer URLs; at least this member.
    pub members: BTreeMap<String, Vec<Url>>,
    /// Why no cluster can be begun with these flags.
    pub refusal: Option<String>,
    /// New or existing.
    pub state: ClusterState,
    /// Sets clusters apart that have equal URLs.
    pub token: String,
    /// Refuse a change of members that would cost the quorum.
    pub strict_reconfig_check: bool,
}

/// Sizes and numbers above which requests are refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes; 0 means etcd's default of 2 GiB, below 0 no limit.
    pub quota_backend_bytes: i64,
    /// Operations in one transaction.
    pub max_txn_ops: usize,
    /// Bytes of one request.
    pub max_request_bytes: usize,
    /// Streams of one HTTP/2 connection.
    pub max_concurrent_streams: u32,
    /// Bytes of values kept in memory.
    pub resident_bytes: usize,
}

/// Pings on HTTP/2 connections.
#[derive(Clone, Copy, Debug)]
pub struct Keepalive {
    /// Shortest time between two pings of a client.
    pub min_time: Duration,
    /// Time between two pings of the server; none when zero.
    pub interval: Duration,
    /// Time to wait for the answer; no pings when zero.
    pub timeout: Duration,
}

/// Users and their tokens.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// Kind of token.
    pub token: String,
    /// bcrypt's cost.
    pub bcrypt_cost: u32,
    /// Life of a simple token.
    pub token_ttl: Duration,
}

/// Everything.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Under which name the program runs.
    pub program: Program,
    /// This member's name.
    pub name: String,
    /// Where all data is.
    pub data_dir: PathBuf,
    /// Where clients are served; never empty.
    pub listen_client_urls: Vec<Url>,
    /// Where HTTP alone is served; when not empty, the client URLs serve gRPC alone.
    pub listen_client_http_urls: Vec<Url>,
    /// Where metrics and health are served besides.
    pub listen_metrics_urls: Vec<Url>,
    /// Where members are served.
    pub listen_peer_urls: Vec<Url>,
    /// The client URLs for others.
    pub advertise_client_urls: Vec<Url>,
    /// The peer URLs for others.
    pub advertise_peer_urls: Vec<Url>,
    /// The cluster at the first start.
    pub cluster: ClusterConfig,
    /// Limits of requests.
    pub limits: Limits,
    /// Pings.
    pub keepalive: Keepalive,
    /// Milliseconds between heartbeats.
    pub heartbeat: Duration,
    /// Time without heartbeat before another member takes over.
    pub election_timeout: Duration,
    /// Compaction by the server itself.
    pub auto_compaction: AutoCompaction,
    /// Revisions dropped in one step of a compaction.
    pub compaction_batch_limit: usize,
    /// Pause between two steps.
    pub compaction_sleep_interval: Duration,
    /// Time between progress notifications.
    pub watch_progress_notify_interval: Duration,
    /// Requests above this are logged.
    pub warning_unary_request_duration: Duration,
    /// Entries above this are logged.
    pub warning_apply_duration: Duration,
    /// Time between comparisons of the members' data; none when zero.
    pub corrupt_check_time: Duration,
    /// Time between comparisons of hashes at compacted revisions.
    pub compact_hash_check_time: Duration,
    /// Certificates for clients.
    pub client_tls: TlsFiles,
    /// Certificates for members.
    pub peer_tls: TlsFiles,
    /// Versions and cipher suites.
    pub tls: TlsOptions,
    /// Origins that browsers may call from; `*` for all.
    pub cors: BTreeSet<String>,
    /// Host names that plain HTTP requests may ask for; `*` for all.
    pub host_whitelist: BTreeSet<String>,
    /// Users.
    pub auth: AuthConfig,
    /// Switches.
    pub feature_gates: FeatureGates,
    /// Detail of `/metrics`.
    pub metrics: MetricsLevel,
    /// The log.
    pub log: LogConfig,
    /// UNSAFE: answer before data is on disk.
    pub unsafe_no_fsync: bool,
    /// Flags that were set and have no effect.
    pub ignored: Vec<String>,
}

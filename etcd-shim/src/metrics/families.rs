//! The metrics of a node, grouped by subject. Names, types and buckets are those of etcd 3.6.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::registry::{HistogramFamily, Labels, NamedRegistry, buckets};

/// Consensus, proposals, requests.
pub struct ServerMetrics {
    /// 1 while this member has a leader. Set before each scrape.
    pub has_leader: Gauge,
    /// 1 while this member is the leader. Set before each scrape.
    pub is_leader: Gauge,
    /// 1 if this member is a learner.
    pub is_learner: Gauge,
    /// How many changes of leader this member has seen. Not measured yet.
    pub leader_changes_seen: Counter,
    /// The log's tail: the position after the last committed entry. It continues after a restart.
    pub proposals_committed: Gauge,
    /// The position after the last applied entry.
    pub proposals_applied: Gauge,
    /// Commands that wait in the storage unit's queue.
    pub proposals_pending: Gauge,
    /// Commands that the log refused, or whose outcome is unknown. Commands that apply refused are not counted.
    pub proposals_failed: Counter,
    /// The quota in bytes.
    pub quota_backend_bytes: Gauge,
    /// Commands whose application took longer than the warning limit. Not measured yet.
    pub slow_apply: Counter,
    /// Linearizable reads that waited for more than a second. Not measured yet.
    pub slow_read_indexes: Counter,
    /// Linearizable reads that could not find the log's tail. Not measured yet.
    pub read_indexes_failed: Counter,
    /// Heartbeats that could not be sent in time. Not measured yet.
    pub heartbeat_send_failures: Counter,
    /// Seconds that applying took, by operation. Not measured yet.
    pub apply_duration: HistogramFamily<Labels<3>>,
    /// Seconds that a Range took, by success. Not measured yet.
    pub range_duration: HistogramFamily<Labels<1>>,
    pub(super) version: Family<Labels<1>, Gauge>,
    pub(super) cluster_version: Family<Labels<1>, Gauge>,
    pub(super) id: Family<Labels<1>, Gauge>,
    pub(super) feature_enabled: Family<Labels<2>, Gauge>,
}

fn server_histogram() -> Histogram {
    Histogram::new(buckets(0.0001, 20))
}

impl ServerMetrics {
    pub(super) fn register(r: &mut NamedRegistry) -> ServerMetrics {
        ServerMetrics {
            has_leader: r.gauge("etcd_server_has_leader", "Whether a leader exists. 1 is existence, 0 is not"),
            is_leader: r.gauge("etcd_server_is_leader", "Whether this member is the leader. 1 if it is, 0 otherwise"),
            is_learner: r.gauge("etcd_server_is_learner", "Whether this member is a learner. 1 if it is, 0 otherwise"),
            leader_changes_seen: r.counter("etcd_server_leader_changes_seen_total", "Leader changes seen"),
            proposals_committed: r.gauge("etcd_server_proposals_committed_total", "Proposals committed"),
            proposals_applied: r.gauge("etcd_server_proposals_applied_total", "Proposals applied"),
            proposals_pending: r.gauge("etcd_server_proposals_pending", "Proposals waiting for commit"),
            proposals_failed: r.counter("etcd_server_proposals_failed_total", "Proposals failed"),
            quota_backend_bytes: r.gauge("etcd_server_quota_backend_bytes", "Quota of the store in bytes"),
            slow_apply: r.counter("etcd_server_slow_apply_total", "Applications that took too long"),
            slow_read_indexes: r.counter("etcd_server_slow_read_indexes_total", "Read indexes that took too long"),
            read_indexes_failed: r.counter("etcd_server_read_indexes_failed_total", "Read indexes that failed"),
            heartbeat_send_failures: r.counter("etcd_server_heartbeat_send_failures_total", "Heartbeats sent too late"),
            apply_duration: r.histograms(
                "etcd_server_apply_duration_seconds",
                "Seconds of applying, by operation",
                server_histogram,
            ),
            range_duration: r.histograms(
                "etcd_server_range_duration_seconds",
                "Seconds of a range, by success",
                server_histogram,
            ),
            version: r.gauges(
                "etcd_server_version",
                "Which version is running. 1 for 'server_version' label with current version",
            ),
            cluster_version: r
                .gauges("etcd_cluster_version", "Version of the cluster. 1 for the label with the current one"),
            id: r.gauges("etcd_server_id", "Id of this member in hexadecimal, as a label. 1 for the current one"),
            feature_enabled: r.gauges("etcd_server_feature_enabled", "Whether a feature is on. 1 is on, 0 is off"),
        }
    }
}

/// Keys, revisions, watchers.
pub struct MvccMetrics {
    /// Valid Range requests. The ranges of transactions are not counted.
    pub range: Counter,
    /// Put requests that were proposed. The puts of transactions are not counted.
    pub put: Counter,
    /// DeleteRange requests that were proposed. The deletions of transactions are not counted.
    pub delete: Counter,
    /// Valid Txn requests, with or without a write.
    pub txn: Counter,
    /// The bytes of the database file.
    pub db_total_size: Gauge,
    /// Bytes that count towards the quota, and one page for the rows that are no keys. The number is computed from the
    /// rows, not from the database file.
    pub db_total_size_in_use: Gauge,
    /// Reads that are open on the database. Not measured yet.
    pub db_open_read_transactions: Gauge,
    /// Keys that exist.
    pub keys: Gauge,
    /// Open watch streams.
    pub watch_streams: Gauge,
    /// Watchers.
    pub watchers: Gauge,
    /// Watchers that are catching up.
    pub slow_watchers: Gauge,
    /// Events that were sent. Not measured yet.
    pub events: Counter,
    /// Events that wait to be sent. Not measured yet.
    pub pending_events: Gauge,
    /// All bytes ever put. Not measured yet.
    pub total_put_size: Gauge,
    /// The store's revision.
    pub current_revision: Gauge,
    /// The revision of the last compaction; -1 if there was none.
    pub compact_revision: Gauge,
    /// Keys that compactions have dropped. Not measured yet.
    pub compaction_keys: Counter,
    /// When the last compaction happened, in Unix seconds. Not measured yet.
    pub compaction_last: Gauge,
    /// Milliseconds for which a step of a compaction blocks others. Not measured yet.
    pub compaction_pause: Histogram,
    /// Milliseconds that a compaction took. Not measured yet.
    pub compaction_total: Histogram,
    /// Milliseconds for which the index blocks others during a compaction. Not measured yet.
    pub index_compaction_pause: Histogram,
    /// Seconds that a Hash took. Not measured yet.
    pub hash_duration: Histogram,
    /// Seconds that a HashKV took. Not measured yet.
    pub hash_rev_duration: Histogram,
}

impl MvccMetrics {
    pub(super) fn register(r: &mut NamedRegistry) -> MvccMetrics {
        MvccMetrics {
            range: r.counter("etcd_mvcc_range_total", "Ranges seen by this member"),
            put: r.counter("etcd_mvcc_put_total", "Puts seen by this member"),
            delete: r.counter("etcd_mvcc_delete_total", "Deletes seen by this member"),
            txn: r.counter("etcd_mvcc_txn_total", "Transactions seen by this member"),
            db_total_size: r.gauge("etcd_mvcc_db_total_size_in_bytes", "Bytes of the database physically allocated"),
            db_total_size_in_use: r.gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes of the database in use"),
            db_open_read_transactions: r.gauge("etcd_mvcc_db_open_read_transactions", "Read transactions open"),
            keys: r.gauge("etcd_debugging_mvcc_keys_total", "Keys"),
            watch_streams: r.gauge("etcd_debugging_mvcc_watch_stream_total", "Watch streams"),
            watchers: r.gauge("etcd_debugging_mvcc_watcher_total", "Watchers"),
            slow_watchers: r.gauge("etcd_debugging_mvcc_slow_watcher_total", "Watchers that lag behind"),
            events: r.counter("etcd_debugging_mvcc_events_total", "Events sent"),
            pending_events: r.gauge("etcd_debugging_mvcc_pending_events_total", "Events to be sent"),
            total_put_size: r.gauge("etcd_debugging_mvcc_total_put_size_in_bytes", "Bytes put, keys and values"),
            current_revision: r.gauge("etcd_debugging_mvcc_current_revision", "Revision of the store"),
            compact_revision: r.gauge("etcd_debugging_mvcc_compact_revision", "Revision of the last compaction"),
            compaction_keys: r.counter("etcd_debugging_mvcc_db_compaction_keys_total", "Keys dropped by compactions"),
            compaction_last: r.gauge("etcd_debugging_mvcc_db_compaction_last", "Unix time of the last compaction"),
            compaction_pause: r.histogram(
                "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
                "Milliseconds a step of a compaction takes",
                1.0,
                13,
            ),
            compaction_total: r.histogram(
                "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
                "Milliseconds a compaction takes",
                100.0,
                14,
            ),
            index_compaction_pause: r.histogram(
                "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
                "Milliseconds a compaction of the index takes",
                0.5,
                14,
            ),
            hash_duration: r.histogram(
                "etcd_mvcc_hash_duration_seconds",
                "Seconds of a hash of the database",
                0.01,
                15,
            ),
            hash_rev_duration: r.histogram(
                "etcd_mvcc_hash_rev_duration_seconds",
                "Seconds of a hash at a revision",
                0.01,
                15,
            ),
        }
    }
}

/// The journal and the checkpoints.
pub struct DiskMetrics {
    /// Seconds that a sync of the journal took.
    pub wal_fsync: Histogram,
    /// Seconds that a write to the journal took. Not measured yet.
    pub wal_write: Histogram,
    /// Bytes that were written to the journal. Not measured yet.
    pub wal_write_bytes: Gauge,
    /// Seconds that a commit of the checkpoint took.
    pub backend_commit: Histogram,
    /// Seconds that a defragmentation took.
    pub backend_defrag: Histogram,
    /// Seconds that a snapshot took. Not measured yet.
    pub backend_snapshot: Histogram,
    /// 1 while a defragmentation runs.
    pub defrag_inflight: Gauge,
}

impl DiskMetrics {
    pub(super) fn register(r: &mut NamedRegistry) -> DiskMetrics {
        DiskMetrics {
            wal_fsync: r.histogram("etcd_disk_wal_fsync_duration_seconds", "Seconds of a sync of the log", 0.001, 14),
            wal_write: r.histogram("etcd_disk_wal_write_duration_seconds", "Seconds of a write to the log", 0.001, 14),
            wal_write_bytes: r.gauge("etcd_disk_wal_write_bytes_total", "Bytes written to the log"),
            backend_commit: r.histogram(
                "etcd_disk_backend_commit_duration_seconds",
                "Seconds of a commit of the database",
                0.001,
                14,
            ),
            backend_defrag: r.histogram(
                "etcd_disk_backend_defrag_duration_seconds",
                "Seconds of a defragmentation",
                0.1,
                13,
            ),
            backend_snapshot: r.histogram(
                "etcd_disk_backend_snapshot_duration_seconds",
                "Seconds of a snapshot",
                0.01,
                17,
            ),
            defrag_inflight: r.gauge("etcd_disk_defrag_inflight", "Whether a defragmentation runs. 1 means it does"),
        }
    }
}

/// Leases.
pub struct LeaseMetrics {
    /// Leases that were granted by calls to this member.
    pub granted: Counter,
    /// Leases that were revoked by calls to this member.
    pub revoked: Counter,
    /// Leases that were renewed by calls to this member.
    pub renewed: Counter,
    /// Leases that this member has ended, as the keeper of leases, because they had run out.
    pub expired: Counter,
    /// The time-to-live that clients asked for, in seconds. Not measured yet.
    pub ttl: Histogram,
}

impl LeaseMetrics {
    pub(super) fn register(r: &mut NamedRegistry) -> LeaseMetrics {
        LeaseMetrics {
            granted: r.counter("etcd_debugging_lease_granted_total", "Leases granted"),
            revoked: r.counter("etcd_debugging_lease_revoked_total", "Leases revoked"),
            renewed: r.counter("etcd_debugging_lease_renewed_total", "Leases renewed by calls to this member"),
            expired: r.counter("etcd_debugging_server_lease_expired_total", "Leases expired"),
            ttl: r.histogram("etcd_debugging_lease_ttl_total", "Seconds to live of leases granted", 1.0, 24),
        }
    }
}

/// `/health`, `/livez`, `/readyz`.
pub struct HealthMetrics {
    /// How often `/health` answered true.
    pub success: Counter,
    /// How often `/health` answered false.
    pub failures: Counter,
    /// The last result of each check; 1 is good.
    pub healthcheck: Family<Labels<2>, Gauge>,
    /// The number of checks, by result.
    pub healthchecks: Family<Labels<3>, Counter>,
}

impl HealthMetrics {
    pub(super) fn register(r: &mut NamedRegistry) -> HealthMetrics {
        HealthMetrics {
            success: r.counter("etcd_server_health_success", "Successful health checks"),
            failures: r.counter("etcd_server_health_failures", "Failed health checks"),
            healthcheck: r.gauges("etcd_server_healthcheck", "Result of each kind of health check"),
            healthchecks: r.counters("etcd_server_healthchecks_total", "Health checks by kind and result"),
        }
    }

    /// Counts one check of `/livez` or `/readyz`.
    pub fn record(&self, kind: &str, name: &str, good: bool) {
        let (kind, name) = (("type", kind.to_owned()), ("name", name.to_owned()));
        self.healthcheck.get_or_create(&[kind.clone(), name.clone()]).set(i64::from(good));
        let status = if good { "success" } else { "error" };
        self.healthchecks.get_or_create(&[kind, name, ("status", status.to_owned())]).inc();
    }
}

//! Flags for observing the server, for its log and its features, and the names that etcd 3.6 calls deprecated.

use super::flag::{Flag, Kind::*, gate, ignored, not_built, renamed, used};

const WITH_TRACING: &str = "it belongs to distributed tracing, which is not there yet";
const COMPACTION_PACE: &str = "Naxos itself sets the pace at which old revisions are dropped after a compaction";
const GONE: &str = "etcd dropped it long ago";

/// The group "Monitoring".
pub(super) const MONITORING: &[Flag] = &[
    used("metrics", Text, "basic", "Detail of /metrics: basic, or extensive for histograms of every RPC."),
    used(
        "listen-metrics-urls",
        Urls,
        "",
        "Where to serve /metrics, /health, /livez and /readyz besides the client URLs; https uses the client URLs' certificate.",
    ),
    ignored("enable-pprof", Bool, "false", "there is no Go profiler here; perf reads this program"),
    not_built("enable-distributed-tracing", Bool, "false", "distributed tracing"),
    ignored("distributed-tracing-address", Text, "localhost:4317", WITH_TRACING),
    ignored("distributed-tracing-service-name", Text, "etcd", WITH_TRACING),
    ignored("distributed-tracing-instance-id", Text, "", WITH_TRACING),
    ignored("distributed-tracing-sampling-rate", Int, "0", WITH_TRACING),
];

/// The group "Logging".
pub(super) const LOGGING: &[Flag] = &[
    used("logger", Text, "zap", "Kind of log; only zap."),
    used("log-level", Text, "info", "Least level to log: debug, info, warn, error, panic or fatal."),
    used("log-format", Text, "json", "Form of a line: json or console."),
    used(
        "log-outputs",
        Set,
        "default",
        "Where lines go: default (stderr), stderr, stdout or files, with commas between them.",
    ),
    not_built("enable-log-rotation", Bool, "false", "rotation of log files (use logrotate's copytruncate)"),
    ignored(
        "log-rotation-config-json",
        Text,
        r#"{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}"#,
        "log rotation is not there yet",
    ),
    used("warning-unary-request-duration", Duration, "0s", "A request that takes longer is logged. Default: 300ms."),
    ignored("warning-apply-duration", Duration, "100ms", "slow entries are not logged yet"),
];

const ALWAYS_COMPARED: &str = "the members compare their states all the time";

/// The group "Features".
pub(super) const FEATURES: &[Flag] = &[
    used(
        "watch-progress-notify-interval",
        Duration,
        "0s",
        "Time between progress notifications on idle watches. Default: 10m.",
    ),
    ignored("compaction-batch-limit", Int, "0", COMPACTION_PACE),
    ignored("compaction-sleep-interval", Duration, "0s", COMPACTION_PACE),
    ignored("corrupt-check-time", Duration, "0s", ALWAYS_COMPARED),
    ignored("compact-hash-check-time", Duration, "1m0s", ALWAYS_COMPARED),
    ignored("unsafe-no-fsync", Bool, "false", "every answer waits until its data is on disk"),
];

/// The group "Old names".
pub(super) const OLD: &[Flag] = &[
    gate("experimental-initial-corrupt-check", "false", "InitialCorruptCheck"),
    gate("experimental-compact-hash-check-enabled", "false", "CompactHashCheck"),
    gate("experimental-enable-lease-checkpoint", "false", "LeaseCheckpoint"),
    gate("experimental-enable-lease-checkpoint-persist", "false", "LeaseCheckpointPersist"),
    gate("experimental-stop-grpc-service-on-defrag", "false", "StopGRPCServiceOnDefrag"),
    gate("experimental-txn-mode-write-with-shared-buffer", "true", "TxnModeWriteWithSharedBuffer"),
    renamed("experimental-corrupt-check-time", Duration, "0s", "corrupt-check-time"),
    renamed("experimental-compact-hash-check-time", Duration, "1m0s", "compact-hash-check-time"),
    renamed("experimental-compaction-batch-limit", Int, "0", "compaction-batch-limit"),
    renamed("experimental-compaction-sleep-interval", Duration, "0s", "compaction-sleep-interval"),
    renamed("experimental-watch-progress-notify-interval", Duration, "0s", "watch-progress-notify-interval"),
    renamed("experimental-downgrade-check-time", Duration, "5s", "downgrade-check-time"),
    renamed("experimental-warning-apply-duration", Duration, "0s", "warning-apply-duration"),
    renamed("experimental-warning-unary-request-duration", Duration, "0s", "warning-unary-request-duration"),
    renamed("experimental-memory-mlock", Bool, "false", "memory-mlock"),
    renamed("experimental-peer-skip-client-san-verification", Bool, "false", "peer-skip-client-san-verification"),
    renamed("experimental-bootstrap-defrag-threshold-megabytes", Uint, "0", "bootstrap-defrag-threshold-megabytes"),
    renamed("experimental-snapshot-catchup-entries", Uint, "5000", "snapshot-catchup-entries"),
    renamed("experimental-enable-distributed-tracing", Bool, "false", "enable-distributed-tracing"),
    renamed("experimental-distributed-tracing-address", Text, "localhost:4317", "distributed-tracing-address"),
    renamed("experimental-distributed-tracing-service-name", Text, "etcd", "distributed-tracing-service-name"),
    renamed("experimental-distributed-tracing-instance-id", Text, "", "distributed-tracing-instance-id"),
    renamed("experimental-distributed-tracing-sampling-rate", Int, "0", "distributed-tracing-sampling-rate"),
    ignored("cluster-active-size", Dropped, "", GONE),
    ignored("cluster-remove-delay", Dropped, "", GONE),
    ignored("cluster-sync-interval", Dropped, "", GONE),
    ignored("config", Dropped, "", GONE),
    ignored("force", Dropped, "", GONE),
    ignored("max-result-buffer", Dropped, "", GONE),
    ignored("max-retry-attempts", Dropped, "", GONE),
    ignored("peer-heartbeat-interval", Dropped, "", GONE),
    ignored("peer-election-timeout", Dropped, "", GONE),
    ignored("retry-interval", Dropped, "", GONE),
    ignored("snapshot", Dropped, "", GONE),
    ignored("v", Dropped, "", GONE),
    ignored("vv", Dropped, "", GONE),
    ignored("test.coverprofile", Dropped, "", GONE),
    ignored("test.outputdir", Dropped, "", GONE),
];

/// The group "Other".
pub(super) const OTHER: &[Flag] = &[
    used(
        "config-file",
        Text,
        "",
        "A YAML file with the names of the flags as keys. When given, other flags and variables count for nothing.",
    ),
    used("version", Bool, "false", "Print the versions and end."),
];

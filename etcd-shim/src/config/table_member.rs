//! Flags of one member: its name, its place on disk, its ports and its limits.

use super::flag::{Flag, Kind::*, ignored, not_built, used};

const RAFT_TUNING: &str = "Naxos keeps its own log; there is no Raft log of data to tune";
/// Why feature gates have no effect.
pub(super) const GATED: &str = "none of the gated features is there yet; metrics show the gates";
const BBOLT_TUNING: &str = "Naxos does not keep its data in bbolt";

/// The group "Member".
pub(super) const MEMBER: &[Flag] = &[
    used("name", Text, "default", "Name of this member, for people; unique among the members of a cluster."),
    used(
        "data-dir",
        Text,
        "",
        "Directory that holds all data; made when missing. Default: <name>.naxos (<name>.etcd when started as `etcd`).",
    ),
    not_built("wal-dir", Text, "", "a directory of its own for the journal"),
    used(
        "listen-client-urls",
        Urls,
        "http://localhost:2379",
        "Where to serve clients: http, https, unix or unixs URLs. gRPC and HTTP share each of them.",
    ),
    used("listen-client-http-urls", Urls, "", "Where to serve HTTP only; the client URLs then serve gRPC only."),
    used("listen-peer-urls", Urls, "http://localhost:2380", "URLs on which other members are served."),
    used(
        "quota-backend-bytes",
        Int,
        "0",
        "Size of the store above which writes are refused (alarm NOSPACE). 0 means 2 GiB, below 0 no limit.",
    ),
    used(
        "naxos-resident-bytes",
        Uint,
        "704643072",
        "Most bytes of values held in memory; what exceeds them is read back from the data directory. Not in etcd.",
    ),
    used(
        "naxos-held-log-bytes",
        Uint,
        "1073741824",
        "Size of the log in bytes above which it is trimmed although a member that is away still needs it. That member gets a \
         snapshot when it comes back. Not in etcd.",
    ),
    used("max-txn-ops", Uint, "128", "Most operations in one transaction."),
    used("max-request-bytes", Uint, "1572864", "Largest request in bytes, at most 10485760."),
    used(
        "max-concurrent-streams",
        Uint32,
        "4294967295",
        "Most streams open at once on one HTTP/2 connection; 0 for no limit.",
    ),
    ignored("grpc-keepalive-min-time", Duration, "5s", "clients may ping as often as they like"),
    used(
        "grpc-keepalive-interval",
        Duration,
        "2h0m0s",
        "Time between two pings that the server sends to see whether a client lives; 0 for none.",
    ),
    used(
        "grpc-keepalive-timeout",
        Duration,
        "20s",
        "Time to wait for the answer to such a ping before the connection is closed; 0 for no pings.",
    ),
    used("heartbeat-interval", Uint, "100", "Milliseconds between heartbeats; more than 50 counts as 50."),
    used(
        "election-timeout",
        Uint,
        "1000",
        "Milliseconds, from 5 heartbeats to 50000. The shortest lease lives 3/2 of this time. A request is given up \
         after 5 s plus twice this time.",
    ),
    ignored("feature-gates", Gates, "", GATED),
    not_built("socket-reuse-port", Bool, "false", "SO_REUSEPORT on listeners"),
    ignored("socket-reuse-address", Bool, "false", "listeners always may bind an address in TIME_WAIT"),
    ignored("enable-grpc-gateway", Bool, "true", "the JSON gateway is not there yet"),
    ignored("snapshot-count", Uint, "10000", RAFT_TUNING),
    ignored("snapshot-catchup-entries", Uint, "5000", RAFT_TUNING),
    ignored("max-snapshots", Uint, "5", RAFT_TUNING),
    ignored("max-wals", Uint, "5", RAFT_TUNING),
    ignored("initial-election-tick-advance", Bool, "true", RAFT_TUNING),
    ignored("raft-read-timeout", Duration, "5s", RAFT_TUNING),
    ignored("raft-write-timeout", Duration, "5s", RAFT_TUNING),
    ignored("memory-mlock", Bool, "false", BBOLT_TUNING),
    ignored("backend-bbolt-freelist-type", Text, "", BBOLT_TUNING),
    ignored("backend-batch-interval", Duration, "0s", BBOLT_TUNING),
    ignored("backend-batch-limit", Int, "0", BBOLT_TUNING),
    ignored("bootstrap-defrag-threshold-megabytes", Uint, "0", BBOLT_TUNING),
];

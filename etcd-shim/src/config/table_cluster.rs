//! Flags about the cluster that a member belongs to.

use super::flag::{Flag, Kind::*, ignored, not_built, used};

const DISCOVERY: &str = "finding the other members through a discovery service";
const WITH_DISCOVERY: &str = "it belongs to the discovery service, which cannot be used yet";

/// The group "Clustering".
pub(super) const CLUSTERING: &[Flag] = &[
    used(
        "advertise-client-urls",
        Urls,
        "http://localhost:2379",
        "The client URLs as others reach them; needed whenever --listen-client-urls is given.",
    ),
    used(
        "initial-advertise-peer-urls",
        Urls,
        "http://localhost:2380",
        "The peer URLs as the other members reach them.",
    ),
    used(
        "initial-cluster",
        Text,
        "",
        "The members at the first start, as name=peer-url with commas between them. Default: this member alone.",
    ),
    used(
        "initial-cluster-state",
        Choice(&["new", "existing"]),
        "new",
        "Whether the first start makes a cluster (new) or joins one (existing).",
    ),
    used("initial-cluster-token", Text, "etcd-cluster", "A text that tells clusters with equal URLs apart."),
    used(
        "strict-reconfig-check",
        Bool,
        "true",
        "Refuse a change of members after which the members that have started would not be a quorum.",
    ),
    used(
        "auto-compaction-mode",
        Text,
        "periodic",
        "What --auto-compaction-retention is: periodic (a time) or revision (a number of revisions).",
    ),
    used(
        "auto-compaction-retention",
        Text,
        "0",
        "History to keep: a time (`5m`; a bare number is hours) or a number of revisions. 0 never compacts.",
    ),
    used(
        "force-new-cluster",
        Bool,
        "false",
        "After the quorum was lost: make this member a cluster of one, once. Prefer `naxos ctl recover`.",
    ),
    ignored("pre-vote", Bool, "true", "a member that was cut off never disturbs the others"),
    ignored(
        "v2-deprecation",
        Choices(&["write-only", "write-only-skip-check", "write-only-drop-data", "gone"]),
        "",
        "there is no v2 store",
    ),
    used("max-learners", Int, "1", "How many members may be learners at a time."),
    ignored("downgrade-check-time", Duration, "5s", "there are no downgrades yet"),
    not_built("discovery", Text, "", DISCOVERY),
    not_built("discovery-endpoints", Set, "", DISCOVERY),
    not_built("discovery-token", Text, "", DISCOVERY),
    used(
        "discovery-srv",
        Text,
        "",
        "A DNS domain: at the first start its SRV records list the members, instead of --initial-cluster.",
    ),
    used(
        "discovery-srv-name",
        Text,
        "",
        "With --discovery-srv: a name at the end of the SRV records' service, such as _etcd-server-NAME.",
    ),
    not_built("discovery-proxy", Text, "", DISCOVERY),
    ignored("discovery-fallback", Choice(&["exit", "proxy"]), "exit", WITH_DISCOVERY),
    ignored("discovery-dial-timeout", Duration, "2s", WITH_DISCOVERY),
    ignored("discovery-request-timeout", Duration, "5s", WITH_DISCOVERY),
    ignored("discovery-keepalive-time", Duration, "2s", WITH_DISCOVERY),
    ignored("discovery-keepalive-timeout", Duration, "6s", WITH_DISCOVERY),
    ignored("discovery-insecure-transport", Bool, "true", WITH_DISCOVERY),
    ignored("discovery-insecure-skip-tls-verify", Bool, "false", WITH_DISCOVERY),
    ignored("discovery-cert", Text, "", WITH_DISCOVERY),
    ignored("discovery-key", Text, "", WITH_DISCOVERY),
    ignored("discovery-cacert", Text, "", WITH_DISCOVERY),
    ignored("discovery-user", Text, "", WITH_DISCOVERY),
    ignored("discovery-password", Text, "", WITH_DISCOVERY),
];

//! [`other_way`]: what a program uses instead of a flag.

/// What a program uses instead of the flag with this name, because [`Opening`](super::Opening) sets the flag itself, or
/// because nothing would come of the flag.
pub(super) fn other_way(flag: &str, has_peers: bool, serves_etcd: bool) -> Option<&'static str> {
    Some(match flag {
        "data-dir" => "`Naxos::open(directory)`",
        "name" | "initial-cluster" | "initial-advertise-peer-urls" | "discovery-srv" | "discovery-srv-name" => {
            "`.peers(own, urls)`"
        }
        // With a list, the node may listen at another address than the one at which the others reach it.
        "listen-peer-urls" if !has_peers => "`.peers(own, urls)`",
        "listen-client-urls" => "`.serve_etcd(address)`",
        "advertise-client-urls" if !serves_etcd => "`.serve_etcd(address)`",
        // The other flags would not count.
        "config-file" => "`.flag(name, value)` for each line of the file",
        "logger" | "log-level" | "log-format" | "log-outputs" => "a `tracing` subscriber in the program",
        "version" | "help" | "h" => "the program `naxos`",
        _ => return None,
    })
}

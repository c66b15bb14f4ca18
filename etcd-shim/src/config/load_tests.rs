//! Tests of the whole configuration. Where Naxos is expected to do the same as etcd, the expected result was observed
//! with a real etcd 3.6.16 and the same command line, variables and files.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

pub(super) fn try_load(words: &[&str], variables: &[(&str, &str)]) -> Result<Loaded, Stop> {
    let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    let environment: BTreeMap<String, String> =
        variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    load(Program::Naxos, &words, &environment)
}

/// The error if more than one flag gives the members.
const ONE_OF_THE_FOUR: &str = "multiple discovery or bootstrap flags are set. Choose one of \"initial-cluster\", \
                               \"discovery\", \"discovery-endpoints\" or \"discovery-srv\"";

fn good(words: &[&str]) -> ServerConfig {
    try_load(words, &[]).unwrap_or_else(|e| panic!("{words:?}: {e}")).config
}

#[test]
fn without_flags_it_is_one_node_on_2379() {
    let loaded = try_load(&[], &[]).unwrap();
    let c = loaded.config;
    assert_eq!((c.name.as_str(), c.data_dir.to_str()), ("default", Some("default.naxos")));
    assert_eq!(join(&c.listen_client_urls), "http://localhost:2379");
    assert_eq!(join(&c.cluster.members["default"]), "http://localhost:2380");
    assert_eq!((c.limits.max_txn_ops, c.limits.max_request_bytes, c.limits.quota_backend_bytes), (128, 1_572_864, 0));
    assert_eq!(c.keepalive.interval, Duration::from_secs(7200));
    assert_eq!(c.watch_progress_notify_interval, Duration::from_secs(600));
    assert_eq!(c.warning_unary_request_duration, Duration::from_millis(300));
    assert_eq!((c.compaction_batch_limit, c.auto_compaction), (1000, AutoCompaction::Off));
    assert!(c.cors.contains("*") && c.host_whitelist.contains("*") && c.ignored.is_empty() && !c.unsafe_no_fsync);
    assert_eq!(
        loaded.notes,
        [Note::SinglePort, Note::DefaultName("default".to_owned()), Note::DefaultDataDir("default.naxos".to_owned()),]
    );
    assert_eq!(good(&["--max-concurrent-streams=0"]).limits.max_concurrent_streams, u32::MAX, "no limit, as in etcd");
    let named = good(&["--name=a", "--initial-advertise-peer-urls=http://127.0.0.1:1"]);
    assert_eq!(join(&named.cluster.members["a"]), "http://127.0.0.1:1");
    let etcd = load(program("/usr/local/bin/etcd"), &["--name=a b".to_owned()], &BTreeMap::new()).unwrap().config;
    assert_eq!(etcd.data_dir.to_str(), Some("a b.etcd"));
    assert_eq!(program("etcd-3"), Program::Naxos);
}

#[test]
fn the_flags_of_kubeadms_manifest_are_understood() {
    let c = good(&[
        "--advertise-client-urls=https://10.0.0.1:2379",
        "--cert-file=/etc/kubernetes/pki/etcd/server.crt",
        "--client-cert-auth=true",
        "--data-dir=/var/lib/etcd",
        "--feature-gates=InitialCorruptCheck=true",
        "--initial-advertise-peer-urls=https://10.0.0.1:2380",
        "--initial-cluster=node=https://10.0.0.1:2380",
        "--key-file=/etc/kubernetes/pki/etcd/server.key",
        "--listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379",
        "--listen-metrics-urls=http://127.0.0.1:2381",
        "--listen-peer-urls=https://10.0.0.1:2380",
        "--name=node",
        "--peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt",
        "--peer-client-cert-auth=true",
        "--peer-key-file=/etc/kubernetes/pki/etcd/peer.key",
        "--peer-trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt",
        "--snapshot-count=10000",
        "--trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt",
        "--watch-progress-notify-interval=5s",
    ]);
    assert_eq!(join(&c.listen_client_urls), "https://10.0.0.1:2379,https://127.0.0.1:2379");
    assert!(
        c.client_tls.client_cert_auth && c.peer_tls.client_cert_auth && c.feature_gates.enabled("InitialCorruptCheck")
    );
    assert_eq!(c.watch_progress_notify_interval, Duration::from_secs(5));
    assert!(c.peer_tls.client_cert_auth && join(&c.listen_peer_urls) == "https://10.0.0.1:2380");
    assert_eq!(c.ignored, ["feature-gates", "snapshot-count"]);
    let old = good(&["--experimental-initial-corrupt-check=true", "--experimental-watch-progress-notify-interval=5s"]);
    assert!(old.feature_gates.enabled("InitialCorruptCheck"));
    assert_eq!(old.watch_progress_notify_interval, Duration::from_secs(5));
}

#[test]
fn values_that_do_not_fit_are_refused_in_the_words_of_etcd() {
    let table: &[(&[&str], &str)] = &[
        (&["foo"], "\"foo\" is not a valid flag"),
        (&["--", "x"], "\"x\" is not a valid flag"),
        (
            &["--listen-client-urls=http://foo:1", "--advertise-client-urls=http://foo:1"],
            "expected IP in URL for binding (http://foo:1)",
        ),
        (
            &["--listen-client-urls=http://127.0.0.1:1"],
            "--advertise-client-urls is required when --listen-client-urls is set explicitly",
        ),
        (&["--listen-client-urls="], "--advertise-client-urls is required when --listen-client-urls is set explicitly"),
        (
            &["--advertise-client-urls=http://:1"],
            "--advertise-client-urls \"http://:1\" must be \"host:port\" (unexpected empty host (http://:1))",
        ),
        (&["--heartbeat-interval=0"], "--heartbeat-interval must be >0 (set to 0ms)"),
        (&["--election-timeout=0"], "--election-timeout must be >0 (set to 0ms)"),
        (&["--election-timeout=99999"], "--election-timeout[99999ms] is too long, and should be set less than 50000ms"),
        (
            &["--election-timeout=100"],
            "--election-timeout[100ms] should be at least as 5 times as --heartbeat-interval[100ms]",
        ),
        (&["--auto-compaction-mode=x"], "unknown auto-compaction-mode \"x\", expected periodic or revision"),
        (&["--auto-compaction-mode="], "undefined auto-compaction-mode"),
        (
            &["--auto-compaction-retention=x"],
            "error parsing CompactionRetention: time: invalid duration \"x\" (--auto-compaction-retention: expected a number, or a duration such as 1h30m)",
        ),
        (&["--log-format=foo"], "unknown log format: foo, supported values json, console"),
        (&["--logger=foo"], "unknown logger option \"foo\", expected zap"),
        (&["--logger=capnslog"], "--logger=capnslog is removed in v3.5, expected zap"),
        (&["--log-outputs=stderr,default"], "multi logoutput for \"default\" is not supported yet"),
        (&["--tls-min-version=x"], "unexpected TLS version \"x\" (must be one of: TLS1.2, TLS1.3)"),
        (
            &["--warning-unary-request-duration=1s", "--experimental-warning-unary-request-duration=1s"],
            "both --experimental-warning-unary-request-duration and --warning-unary-request-duration flags are set. Use only --warning-unary-request-duration",
        ),
        (
            &["--corrupt-check-time=1s", "--experimental-corrupt-check-time=1s"],
            "cannot set --experimental-corrupt-check-time and --corrupt-check-time at the same time, please use --corrupt-check-time only",
        ),
        (
            &["--feature-gates=CompactHashCheck=true", "--experimental-compact-hash-check-enabled"],
            "cannot specify both flags: --experimental-compact-hash-check-enabled=true and --feature-gates=CompactHashCheck=true at the same time, please just use --feature-gates=CompactHashCheck=true",
        ),
        (
            &["--feature-gates=LeaseCheckpointPersist=true"],
            "enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint",
        ),
        (&["--compact-hash-check-time=0s"], "--compact-hash-check-time must be >0 (set to 0s)"),
        (
            &["--listen-client-urls=https://127.0.0.1:1", "--advertise-client-urls=https://127.0.0.1:1"],
            "TLS key/cert (--cert-file, --key-file) must be provided for client url https://127.0.0.1:1 with HTTPS scheme",
        ),
        (
            &["--listen-metrics-urls=https://127.0.0.1:1"],
            "client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url",
        ),
        (
            &["--listen-client-http-urls=http://localhost:2379"],
            "cannot bind both --listen-client-urls and --listen-client-http-urls on the same url http://localhost:2379",
        ),
        (&["--corrupt-check-time=-1s"], "--corrupt-check-time: expected 0s (never) or more, found -1s"),
        (
            &["--discovery-fallback=proxy"],
            "v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\"",
        ),
        (&["--discovery-srv=x", "--initial-cluster=a=http://a:1"], ONE_OF_THE_FOUR),
        (&["--discovery-srv=x", "--discovery=http://y"], ONE_OF_THE_FOUR),
        (&["--discovery-srv=x", "--discovery-endpoints=http://y"], ONE_OF_THE_FOUR),
        (&["--config-file=/nope"], "open /nope: no such file or directory"),
        (&["--auth-token=foo"], "auth: invalid auth options \"foo\", expected simple"),
        (&["--cert-file=a"], "--cert-file and --key-file must both be present, found only one of them"),
    ];
    for (words, error) in table {
        match try_load(words, &[]) {
            Err(Stop::Invalid { error: found, .. }) => assert_eq!(found, *error, "{words:?}"),
            other => panic!("{words:?}: {other:?}"),
        }
    }
}

#[test]
fn what_is_not_built_ends_the_start_and_says_so() {
    let table: &[&[&str]] = &[
        &["--discovery=http://x"],
        &["--discovery-endpoints=x"],
        &["--client-crl-file=x"],
        &["--auth-token=jwt,pub-key=x"],
        &["--enable-distributed-tracing"],
        &["--experimental-enable-distributed-tracing"],
        &["--wal-dir=x"],
        &["--socket-reuse-port"],
        &["--enable-log-rotation"],
        &["--log-outputs=systemd/journal"],
        &["gateway", "start"],
        &["grpc-proxy"],
    ];
    for words in table {
        match try_load(words, &[]) {
            Err(Stop::Invalid { error, .. }) => assert!(error.contains("not built"), "{words:?}: {error}"),
            other => panic!("{words:?}: {other:?}"),
        }
    }
    assert!(good(&["--force-new-cluster"]).cluster.force_new);
    good(&["--auto-tls=false", "--force-new-cluster=false", "--discovery=", "--initial-cluster-state=existing"]);
}

#[test]
fn flags_without_effect_are_listed() {
    let c = good(&[
        "--snapshot-count=5",
        "--pre-vote",
        "--backend-batch-limit=7",
        "--experimental-snapshot-catchup-entries=9",
        "--vv",
    ]);
    assert_eq!(good(&["--bcrypt-cost=99"]).auth.bcrypt_cost, 10, "as in etcd");
    assert_eq!(c.ignored, ["backend-batch-limit", "pre-vote", "snapshot-catchup-entries", "snapshot-count", "vv"]);
}

#[test]
fn every_flag_without_effect_says_so_at_the_start_and_in_the_help() {
    let help = help();
    for flag in table::flags().filter(|f| f.kind != Kind::Dropped) {
        let why = match flag.handling {
            Handling::Ignored(why) => why,
            Handling::Gate(_) => table_member::GATED,
            _ => continue,
        };
        if let Handling::Ignored(_) = flag.handling {
            assert!(help.contains(&format!("--{} '{}' (ignored)\n    No effect: {why}.", flag.name, flag.default)));
        }
        let value = match flag.name {
            // A file for one of these flags is refused unless the other flag of its pair names a file too.
            "peer-cert-file"
            | "peer-key-file"
            | "peer-client-cert-file"
            | "peer-client-key-file"
            | "client-cert-file"
            | "client-key-file" => continue,
            "feature-gates" => "CompactHashCheck=true",
            "experimental-enable-lease-checkpoint-persist" => "false",
            "initial-cluster-token" => "x",
            _ => flag.default,
        };
        let loaded =
            try_load(&[&format!("--{}={value}", flag.name)], &[]).unwrap_or_else(|e| panic!("{}: {e}", flag.name));
        assert!(loaded.notes.contains(&Note::Ignored { flag: flag.name, why }), "--{}", flag.name);
        assert!(loaded.config.ignored.iter().any(|n| n == flag.name));
    }
    // A flag that is set by its old name or by a variable is listed as well.
    let old =
        try_load(&["--experimental-warning-apply-duration=1s"], &[("ETCD_GRPC_KEEPALIVE_MIN_TIME", "7s")]).unwrap();
    assert_eq!(old.config.ignored, ["grpc-keepalive-min-time", "warning-apply-duration"]);
}

#[test]
fn flags_that_are_used_are_read_outside_of_the_configuration() {
    // A flag that no code reads must be marked as ignored in the table. This list is compared with the code by hand.
    let used: Vec<&str> = table::flags().filter(|f| f.handling == Handling::Used).map(|f| f.name).collect();
    let known = [
        "name",
        "data-dir",
        "listen-client-urls",
        "listen-client-http-urls",
        "listen-peer-urls",
        "quota-backend-bytes",
        "naxos-resident-bytes",
        "naxos-held-log-bytes",
        "max-txn-ops",
        "max-request-bytes",
        "max-concurrent-streams",
        "grpc-keepalive-interval",
        "grpc-keepalive-timeout",
        "heartbeat-interval",
        "election-timeout",
        "advertise-client-urls",
        "initial-advertise-peer-urls",
        "initial-cluster",
        "initial-cluster-state",
        "initial-cluster-token",
        "strict-reconfig-check",
        "auto-compaction-mode",
        "auto-compaction-retention",
        "force-new-cluster",
        "max-learners",
        "discovery-srv",
        "discovery-srv-name",
        "cert-file",
        "key-file",
        "trusted-ca-file",
        "client-cert-auth",
        "client-cert-allowed-hostname",
        "auto-tls",
        "peer-cert-file",
        "peer-key-file",
        "peer-trusted-ca-file",
        "peer-client-cert-auth",
        "peer-client-cert-file",
        "peer-client-key-file",
        "peer-cert-allowed-cn",
        "peer-cert-allowed-hostname",
        "peer-auto-tls",
        "cipher-suites",
        "tls-min-version",
        "tls-max-version",
        "cors",
        "host-whitelist",
        "metrics",
        "listen-metrics-urls",
        "logger",
        "log-level",
        "log-format",
        "log-outputs",
        "warning-unary-request-duration",
        "watch-progress-notify-interval",
        "config-file",
        "version",
    ];
    assert_eq!(used, known);
}

#[test]
fn variables_count_when_the_flag_is_not_there() {
    let loaded = try_load(
        &["--heartbeat-interval=50"],
        &[("ETCD_NAME", "x"), ("ETCD_FOO", "a"), ("ETCD_DATA_DIR", ""), ("HOME", "/")],
    )
    .unwrap();
    assert_eq!(loaded.config.name, "x");
    assert!(loaded.notes.contains(&Note::VariableUsed { name: "ETCD_NAME".to_owned(), value: "x".to_owned() }));
    assert!(loaded.notes.contains(&Note::VariableUnknown("ETCD_FOO=a".to_owned())));
    assert!(loaded.notes.contains(&Note::VariableUnknown("ETCD_DATA_DIR=".to_owned())));
    assert!(!loaded.notes.contains(&Note::DefaultName("default".to_owned())));
    for value in ["a", ""] {
        match try_load(&["--name=b"], &[("ETCD_NAME", value)]) {
            Err(Stop::Conflict { variable, .. }) => assert_eq!(variable, "ETCD_NAME"),
            other => panic!("{other:?}"),
        }
    }
    let bad = try_load(&[], &[("ETCD_HEARTBEAT_INTERVAL", "abc")]).unwrap_err().to_string();
    assert!(bad.starts_with("invalid value \"abc\" for ETCD_HEARTBEAT_INTERVAL: parse error"), "{bad}");
    let version = try_load(&[], &[("ETCD_VERSION", "true")]).unwrap();
    assert!(version.notes.contains(&Note::VersionVariable("true".to_owned())));
    let error = try_load(&[], &[("ETCD_LISTEN_CLIENT_URLS", "http://127.0.0.1:1")]).unwrap_err().to_string();
    assert_eq!(error, "--advertise-client-urls is required when --listen-client-urls is set explicitly");
}

#[test]
fn version_and_help_come_before_every_other_error() {
    assert!(matches!(try_load(&["--version", "--heartbeat-interval=0"], &[]), Err(Stop::Version)));
    assert!(matches!(try_load(&["-h", "--bogus"], &[]), Err(Stop::Help)));
    assert!(matches!(try_load(&["--bogus", "-h"], &[]), Err(Stop::Usage(_))));
    good(&["--version=false"]);
    let help = help();
    for flag in table::flags().filter(|f| f.kind != Kind::Dropped) {
        assert!(help.contains(&format!("--{} ", flag.name)), "{}", flag.name);
        assert!(flag.handling != Handling::Used || !flag.help.is_empty(), "{}", flag.name);
    }
}

#[test]
fn every_default_parses_and_no_name_stands_twice() {
    let mut seen = std::collections::BTreeSet::new();
    for flag in table::flags() {
        assert!(seen.insert(flag.name), "{} stands twice", flag.name);
        super::value::parse_value(flag, flag.default).unwrap_or_else(|e| panic!("--{}: {e}", flag.name));
        if let Handling::Renamed(new) = flag.handling {
            assert_eq!(table::find(new).map(|f| f.kind), Some(flag.kind), "{}", flag.name);
        }
    }
}

#[test]
fn flags_whose_member_is_not_in_the_initial_cluster_cannot_create_a_cluster() {
    for (words, refusal) in [
        (
            &["--name=a", "--initial-cluster=b=http://localhost:2380"][..],
            "couldn't find local name \"a\" in the initial cluster configuration",
        ),
        (&["--name="], "couldn't find local name \"\" in the initial cluster configuration"),
        (
            &["--initial-advertise-peer-urls=http://127.0.0.1:1"],
            "--initial-cluster has default=http://localhost:2380 but --initial-advertise-peer-urls has http://127.0.0.1:1: expected the same URLs for this member",
        ),
    ] {
        assert_eq!(good(words).cluster.refusal.as_deref(), Some(refusal), "{words:?}");
    }
    assert_eq!(good(&["--name=a", "--initial-advertise-peer-urls=http://127.0.0.1:1"]).cluster.refusal, None);
}

#[test]
fn with_a_domain_the_flags_list_no_members() {
    let c = good(&["--name=a", "--discovery-srv=example.com", "--discovery-srv-name=green", "--initial-cluster="]);
    let srv = SrvDomain { domain: "example.com".to_owned(), name: "green".to_owned() };
    assert_eq!((c.cluster.discovery_srv, c.cluster.members.len(), c.cluster.refusal), (Some(srv), 0, None));
    assert_eq!(good(&[]).cluster.discovery_srv, None);
    // As in etcd, `--discovery-srv-name` alone removes the default of `--initial-cluster`.
    let alone = good(&["--discovery-srv-name=green"]).cluster.refusal.expect("no cluster can be created");
    assert!(alone.starts_with("couldn't find local name \"default\" in the initial cluster"), "{alone}");
    assert!(alone.contains("expected --discovery-srv beside it, or --initial-cluster"), "{alone}");
    let listed = good(&["--discovery-srv-name=green", "--initial-cluster=default=http://localhost:2380"]);
    assert_eq!(listed.cluster.refusal, None);
}

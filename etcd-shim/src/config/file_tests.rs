//! Tests of the configuration file. Where Naxos is expected to do the same as etcd, the expected result was observed
//! with a real etcd 3.6.16 and the same file.

use std::time::Duration;

use super::load_tests::try_load;
use super::*;

fn file(text: &str) -> Result<Loaded, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("etcd.yml");
    std::fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    try_load(&["--config-file", &path, "--name=flag"], &[("ETCD_NAME", "variable")])
        .map_err(|e| e.to_string().replace(&path, "FILE"))
}

#[test]
fn a_file_wins_over_flags_and_variables() {
    let text = "\
name: file
# durations are nanoseconds, or texts
watch-progress-notify-interval: 5000000000
grpc-keepalive-timeout: 7s
heartbeat-interval: 50
auto-compaction-retention: 5
listen-client-urls: http://127.0.0.1:1
strict-reconfig-check: false
log-outputs: [stderr, stdout]
cipher-suites:
- TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
client-transport-security:
  cert-file: a
  key-file: b
  client-cert-auth: true
  trusted-ca-file: c
peer-transport-security:
  allowed-hostname: [x, z]
unknown-key: 1
";
    let loaded = file(text).unwrap();
    let c = loaded.config;
    assert_eq!(c.name, "file");
    assert_eq!(c.watch_progress_notify_interval, Duration::from_secs(5));
    assert_eq!((c.keepalive.timeout, c.heartbeat), (Duration::from_secs(7), Duration::from_millis(50)));
    assert_eq!(c.auto_compaction, AutoCompaction::Periodic(Duration::from_secs(5 * 3600)));
    assert_eq!(join(&c.listen_client_urls), "http://127.0.0.1:1", "a file needs no advertised URLs");
    assert!(!c.cluster.strict_reconfig_check && c.client_tls.client_cert_auth);
    assert_eq!((c.log.outputs.len(), c.peer_tls.allowed_hostname), (2, vec!["x".to_owned(), "z".to_owned()]));
    assert!(loaded.notes.contains(&Note::KeyUnknown("unknown-key".to_owned())));
    assert_eq!(file("").unwrap().config.name, "default");
    assert_eq!(file("# nothing\n").unwrap().config.name, "default");
    assert_eq!(file("---\n").unwrap().config.name, "default");
    assert_eq!(file("v2-deprecation: not-yet\n").unwrap().config.ignored, ["v2-deprecation"]);
}

#[test]
fn a_file_may_have_keys_in_any_case_and_whole_numbers_with_an_exponent() {
    let text = "Name: file\nHeartbeat-Interval: 1e2\nquota-backend-bytes: 8e9\nclient-transport-security: {Cert-File: a, KEY-FILE: b}\n";
    let c = file(text).unwrap().config;
    assert_eq!((c.name.as_str(), c.heartbeat), ("file", Duration::from_millis(100)));
    assert_eq!(c.limits.quota_backend_bytes, 8_000_000_000);
    assert_eq!(c.client_tls.cert, Some("a".into()));
}

#[test]
fn a_bad_file_is_refused_with_what_was_expected() {
    for (text, error) in [
        ("name: [", "FILE: error converting YAML to JSON: "),
        ("- a\n- b\n", "FILE: error unmarshaling JSON: expected a map"),
        (
            "heartbeat-interval: abc\n",
            "FILE: invalid value \"abc\" for heartbeat-interval: expected a whole number, 0 or more",
        ),
        (
            "heartbeat-interval: 1.5\n",
            "FILE: invalid value 1.5 for heartbeat-interval: expected a whole number, 0 or more",
        ),
        ("heartbeat-interval: -1\n", "FILE: invalid value \"-1\" for heartbeat-interval: parse error"),
        ("pre-vote: 1\n", "FILE: invalid value 1 for pre-vote: expected true or false"),
        ("client-transport-security: 5\n", "FILE: invalid client-transport-security: expected a map"),
        ("listen-client-urls: foo\n", "FILE: invalid value \"foo\" for listen-client-urls: URL scheme must be"),
        ("election-timeout: 100\n", "--election-timeout[100ms] should be at least"),
    ] {
        let found = file(text).map(|l| l.config.name).unwrap_err();
        assert!(found.starts_with(error), "{text}: {found}");
    }
}

/// The settings of `etcd.conf.yml.sample`, which comes with etcd and from which many files were made.
const ETCD_SAMPLE: &str = r#"
name: 'default'
data-dir:
wal-dir:
snapshot-count: 10000
heartbeat-interval: 100
election-timeout: 1000
quota-backend-bytes: 0
listen-peer-urls: http://localhost:2380
listen-client-urls: http://localhost:2379
max-snapshots: 5
max-wals: 5
cors:
initial-advertise-peer-urls: http://localhost:2380
advertise-client-urls: http://localhost:2379
discovery:
discovery-fallback: 'proxy'
discovery-proxy:
discovery-srv:
initial-cluster:
initial-cluster-token: 'etcd-cluster'
initial-cluster-state: 'new'
strict-reconfig-check: false
enable-pprof: true
proxy: 'off'
proxy-failure-wait: 5000
proxy-refresh-interval: 30000
proxy-dial-timeout: 1000
proxy-write-timeout: 5000
proxy-read-timeout: 0
client-transport-security:
  cert-file:
  key-file:
  client-cert-auth: false
  trusted-ca-file:
  auto-tls: false
peer-transport-security:
  cert-file:
  key-file:
  client-cert-auth: false
  trusted-ca-file:
  auto-tls: false
  allowed-cn:
  allowed-hostname:
self-signed-cert-validity: 1
log-level: debug
logger: zap
log-outputs: [stderr]
force-new-cluster: false
auto-compaction-mode: periodic
auto-compaction-retention: "1"
cipher-suites: [
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
]
tls-min-version: 'TLS1.2'
tls-max-version: 'TLS1.3'
"#;

#[test]
fn the_sample_file_of_etcd_is_accepted() {
    let config = file(ETCD_SAMPLE).unwrap().config;
    assert_eq!(join(&config.listen_client_urls), "http://localhost:2379");
    assert_eq!(join(&config.cluster.members["default"]), "http://localhost:2380");
    assert_eq!(config.cluster.token, "etcd-cluster");
}

#[test]
fn a_file_may_have_the_default_list_of_members_beside_a_domain() {
    let config = file("discovery-srv: example.com\ninitial-cluster: default=http://localhost:2380\n").unwrap().config;
    assert_eq!(config.cluster.discovery_srv.expect("a domain").domain, "example.com");
    assert!(config.cluster.members.is_empty());
    let both = file("discovery-srv: example.com\ninitial-cluster: a=http://localhost:2380\n").unwrap_err().to_string();
    assert!(both.contains("multiple discovery or bootstrap flags are set"), "{both}");
    // On the command line, `--discovery-srv-name` alone removes the default of `--initial-cluster`, but not in a file.
    assert_eq!(file("discovery-srv-name: green\n").unwrap().config.cluster.refusal, None);
}

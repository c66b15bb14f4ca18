use super::*;
use tonic::Code;

fn metrics(level: MetricsLevel) -> Metrics {
    Metrics::new(level, 2, &FeatureGates::default(), 1_700_000_000_000_000_000)
}

/// Checks that every line is `# HELP`, `# TYPE` or `name{labels} number`, and that the samples of each family follow
/// its `# HELP` and `# TYPE` lines.
fn check_format(text: &str) {
    let mut family = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap().to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, family);
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with(&family), "{line} stands under {family}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(!name.contains("{}"), "{line}");
        }
    }
}

#[test]
fn the_text_is_prometheus_with_the_names_of_etcd() {
    let m = metrics(MetricsLevel::Basic);
    m.set_cluster_version("3.6");
    m.set_server_id(0x9e73_7feb);
    m.rpc(Method::Put).started();
    m.rpc(Method::Put).handled(Code::ResourceExhausted);
    m.disk.wal_fsync.observe(0.0015);
    m.health.success.inc();
    m.health.record("readyz", "non_learner", true);
    m.network(0).received(7);
    m.network(1).received(5);
    m.server.proposals_committed.set(12);
    let text = m.encode();
    check_format(&text);
    for line in [
        "etcd_server_version{server_version=\"3.6.16\"} 1",
        "etcd_cluster_version{cluster_version=\"3.6\"} 1",
        "etcd_server_id{server_id=\"9e737feb\"} 1",
        "# TYPE etcd_server_health_success counter",
        "etcd_server_health_success 1",
        "etcd_server_health_failures 0",
        "# TYPE etcd_server_proposals_committed_total gauge",
        "etcd_server_proposals_committed_total 12",
        "# TYPE etcd_mvcc_put_total counter",
        "etcd_mvcc_put_total 0",
        "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.002\"} 1",
        "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"+Inf\"} 1",
        "etcd_disk_wal_fsync_duration_seconds_count 1",
        "etcd_network_client_grpc_received_bytes_total 12",
        "etcd_server_healthcheck{type=\"readyz\",name=\"non_learner\"} 1",
        "etcd_server_healthchecks_total{type=\"readyz\",name=\"non_learner\",status=\"success\"} 1",
        "grpc_server_started_total{grpc_method=\"Put\",grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"} 1",
        "grpc_server_handled_total{grpc_code=\"ResourceExhausted\",grpc_method=\"Put\",grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"} 1",
        "etcd_server_feature_enabled{name=\"TxnModeWriteWithSharedBuffer\",stage=\"BETA\"} 1",
        "process_start_time_seconds 1700000000",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("handling_seconds") && !text.contains("# EOF"));
}

#[test]
fn extensive_metrics_hold_a_histogram_of_every_rpc() {
    let m = metrics(MetricsLevel::Extensive);
    assert!(m.rpc(Method::Range).wants_time());
    m.rpc(Method::Range).took(std::time::Duration::from_millis(7));
    let text = m.encode();
    check_format(&text);
    let line = "grpc_server_handling_seconds_bucket{le=\"0.01\",grpc_method=\"Range\",grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"} 1";
    assert!(text.lines().any(|l| l == line));
}

#[test]
fn hooks_run_before_each_scrape() {
    let m = metrics(MetricsLevel::Basic);
    m.before_scrape(Box::new(|m| {
        m.mvcc.keys.inc();
    }));
    assert!(m.encode().contains("etcd_debugging_mvcc_keys_total 1"));
    assert!(m.encode().contains("etcd_debugging_mvcc_keys_total 2"));
}

//! Flags, variables, files and URLs that are wrong. Each of them ends the start, before anything is written, with a
//! sentence that names what is wrong and what was expected.

mod support;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use support::{contents, ended, program, run};

/// The exit code when the command line cannot be read, as in etcd, and when an environment variable is not UTF-8. All
/// other refusals have the exit code 1.
const USAGE: i32 = 2;

/// Runs with these words and variables. Checks the exit code and the texts, and that the directory is left as it was.
fn refused(dir: &Path, words: &[&str], variables: &[(&str, &str)], code: i32, texts: &[&str]) {
    let before = contents(dir);
    let ended = run(dir, words, variables);
    let context = format!("{words:?} {variables:?}: {}", ended.err);
    assert_eq!(ended.code, Some(code), "{context}");
    // The lines of the log are JSON, in which quotes are escaped.
    let plain = ended.err.replace("\\\"", "\"");
    for text in texts {
        assert!(plain.contains(text), "{text:?} is not in {context}");
    }
    assert_eq!(contents(dir), before, "{context}");
}

fn sweep(cases: &[(&[&str], i32, &[&str])]) {
    let dir = tempfile::tempdir().unwrap();
    for (words, code, texts) in cases {
        refused(dir.path(), words, &[], *code, texts);
    }
}

#[test]
fn values_that_cannot_be_read_are_refused_with_the_flag_and_what_was_expected() {
    sweep(&[
        (&["--bogus"], USAGE, &["-bogus", "Usage:"]),
        (&["--name"], USAGE, &["flag needs an argument: -name"]),
        (&["---name=x"], USAGE, &["bad flag syntax: ---name=x"]),
        (&["gateway"], 1, &["subcommand gateway is not built"]),
        (&["serve"], 1, &["\"serve\" is not a valid flag"]),
        (&["--pre-vote=perhaps"], USAGE, &["\"perhaps\"", "-pre-vote", "expected true or false"]),
        (&["--max-txn-ops=many"], USAGE, &["\"many\"", "-max-txn-ops", "expected a whole number, 0 or more"]),
        (&["--max-txn-ops=-1"], USAGE, &["\"-1\"", "-max-txn-ops", "expected a whole number, 0 or more"]),
        (&["--max-txn-ops=18446744073709551616"], USAGE, &["-max-txn-ops", "out of range"]),
        (&["--max-request-bytes=1.5"], USAGE, &["\"1.5\"", "-max-request-bytes", "expected a whole number"]),
        (&["--quota-backend-bytes=2GiB"], USAGE, &["\"2GiB\"", "-quota-backend-bytes", "expected a whole number"]),
        (&["--max-concurrent-streams=4294967296"], USAGE, &["-max-concurrent-streams", "from 0 to 4294967295"]),
        (&["--grpc-keepalive-interval=5"], USAGE, &["\"5\"", "-grpc-keepalive-interval", "expected a duration"]),
        (&["--watch-progress-notify-interval=5 s"], USAGE, &["-watch-progress-notify-interval", "expected a duration"]),
        (&["--initial-cluster-state=old"], USAGE, &["\"old\"", "-initial-cluster-state", "expected new or existing"]),
        (&["--v2-deprecation=foo"], USAGE, &["\"foo\"", "-v2-deprecation", "expected any of write-only, "]),
        (&["--v2-deprecation=gone,"], USAGE, &["\"gone,\"", "-v2-deprecation", "expected any of write-only, "]),
        (&["--feature-gates=Nope=true"], USAGE, &["-feature-gates", "Nope"]),
        (&["--feature-gates=LeaseCheckpoint"], USAGE, &["-feature-gates", "missing bool value"]),
        (&["--cors=:"], USAGE, &["-cors"]),
    ]);
}

#[test]
fn values_out_of_range_name_the_flag_and_the_range() {
    sweep(&[
        (&["--max-txn-ops=0"], 1, &["--max-txn-ops: expected 1 to 2147483647, found 0"]),
        (&["--max-request-bytes=0"], 1, &["--max-request-bytes: expected 1 to 10485760, found 0"]),
        (&["--max-request-bytes=4294967296"], 1, &["--max-request-bytes: expected 1 to 10485760"]),
        (&["--max-request-bytes=10485761"], 1, &["--max-request-bytes: expected 1 to 10485760, found 10485761"]),
        (&["--heartbeat-interval=0"], 1, &["--heartbeat-interval must be >0"]),
        (&["--election-timeout=50001"], 1, &["--election-timeout[50001ms]", "less than 50000ms"]),
        (&["--election-timeout=400"], 1, &["--election-timeout[400ms]", "5 times as --heartbeat-interval"]),
        (
            &["--auto-compaction-mode=never"],
            1,
            &["unknown auto-compaction-mode \"never\", expected periodic or revision"],
        ),
        (
            &["--auto-compaction-retention=soon"],
            1,
            &["CompactionRetention", "\"soon\"", "--auto-compaction-retention: expected"],
        ),
        (&["--log-level=loud"], 1, &["loud"]),
        (&["--log-format=xml"], 1, &["unknown log format: xml", "json, console"]),
        (&["--log-outputs=/nowhere/log"], 1, &["/nowhere/log", "expected a file that can be appended to"]),
        (&["--logger=glog"], 1, &["unknown logger option \"glog\""]),
        (&["--auth-token=paper"], 1, &["auth: invalid auth options \"paper\", expected simple"]),
        (&["--tls-min-version=TLS1.0"], 1, &["unexpected TLS version \"TLS1.0\"", "TLS1.2, TLS1.3"]),
        (&["--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"], 1, &["TLS"]),
        (&["--cipher-suites=ROT13"], 1, &["ROT13"]),
        (&["--initial-cluster=default"], 1, &["default"]),
        (&["--name="], 1, &["couldn't find local name \"\" in the initial cluster configuration"]),
        (
            &["--initial-advertise-peer-urls=http://127.0.0.1:1"],
            1,
            &["--initial-cluster has default=http://localhost:2380 but", "expected the same URLs for this member"],
        ),
        (&["--initial-cluster=other=http://localhost:2380"], 1, &["couldn't find local name \"default\""]),
        (
            &["--initial-cluster-state=existing"],
            1,
            &["--initial-cluster-state=existing", "expected --initial-cluster with this member"],
        ),
        (
            &["--discovery-srv=example.com", "--initial-cluster=default=http://localhost:2380"],
            1,
            &["multiple discovery or bootstrap flags are set", "\"initial-cluster\"", "\"discovery-srv\""],
        ),
        (
            &["--discovery-srv=example.com", "--initial-advertise-peer-urls=unix://localhost:1"],
            1,
            &["error setting up initial cluster", "unix://localhost:1: it is a Unix socket"],
        ),
        (&["--discovery-srv-name=green"], 1, &["expected --discovery-srv beside it, or --initial-cluster"]),
        (&["--wal-dir=w"], 1, &["--wal-dir is not built yet"]),
    ]);
}

/// The directory has only files that do not count as a cluster: the `lost+found` of a file system, and the `lock` of a
/// start that ended early.
#[test]
fn a_cluster_that_cannot_be_begun_is_refused_in_a_directory_without_one() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("a.etcd/lost+found")).unwrap();
    std::fs::write(dir.path().join("a.etcd/lock"), "").unwrap();
    let name = "couldn't find local name \"a\"";
    refused(dir.path(), &["--name=a", "--initial-cluster=b=http://localhost:2380"], &[], 1, &[name]);
    refused(dir.path(), &["--name=a", "--initial-cluster-state=existing"], &[], 1, &["at least one member that runs"]);
}

#[test]
fn urls_that_cannot_be_served_name_the_url_and_what_was_expected() {
    let bad = |url: &'static str| -> Vec<String> {
        vec![format!("--listen-client-urls={url}"), "--advertise-client-urls=http://127.0.0.1:1".to_owned()]
    };
    let dir = tempfile::tempdir().unwrap();
    for (url, code, text) in [
        ("127.0.0.1:2379", USAGE, "URL scheme must be http, https, unix, or unixs: 127.0.0.1:2379"),
        ("ftp://127.0.0.1:2379", USAGE, "URL scheme must be http, https, unix, or unixs: ftp://127.0.0.1:2379"),
        ("http://127.0.0.1", USAGE, "URL address does not have the form \"host:port\": http://127.0.0.1"),
        ("http://127.0.0.1:2379/path", USAGE, "URL must not contain a path"),
        ("http://127.0.0.1:notaport", USAGE, "notaport"),
        ("http://[::1:2379", USAGE, "http://[::1:2379"),
        ("http://127.0.0.1:99999", 1, "99999"),
        ("http://example.invalid:2379", 1, "expected IP in URL for binding (http://example.invalid:2379)"),
        ("https://127.0.0.1:2379", 1, "TLS key/cert (--cert-file, --key-file) must be provided for client url"),
        // An address from a range for documentation (RFC 5737): no machine has it.
        ("http://192.0.2.1:2379", 1, "192.0.2.1:2379"),
        ("unix://no/such/folder:1", 1, "no/such/folder"),
    ] {
        let words = bad(url);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        refused(dir.path(), &words, &[], code, &[text]);
    }
    let words = ["--advertise-client-urls=http://:2379"];
    refused(dir.path(), &words, &[], 1, &["--advertise-client-urls", "must be \"host:port\""]);
    let words = ["--listen-client-urls=http://127.0.0.1:0"];
    refused(dir.path(), &words, &[], 1, &["--advertise-client-urls is required when --listen-client-urls is set"]);
}

#[test]
fn an_address_in_use_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", taken.local_addr().unwrap());
    let (client, metrics) = (format!("--listen-client-urls={url}"), format!("--listen-metrics-urls={url}"));
    let text = format!("listen {}: bind: address already in use", taken.local_addr().unwrap());
    let words = [client.as_str(), "--advertise-client-urls=http://127.0.0.1:1"];
    refused(dir.path(), &words, &[], 1, &[&text]);
    let words = ["--listen-client-urls=http://127.0.0.1:0", "--advertise-client-urls=http://127.0.0.1:1", &metrics];
    refused(dir.path(), &words, &[], 1, &[&text]);
}

#[test]
fn variables_that_do_not_fit_are_named() {
    let dir = tempfile::tempdir().unwrap();
    for (words, variable, value, texts) in [
        (&[][..], "ETCD_MAX_TXN_OPS", "many", &["\"many\"", "ETCD_MAX_TXN_OPS", "expected a whole number"][..]),
        (&[], "ETCD_PRE_VOTE", "perhaps", &["\"perhaps\"", "ETCD_PRE_VOTE", "expected true or false"]),
        (&[], "ETCD_GRPC_KEEPALIVE_TIMEOUT", "5", &["ETCD_GRPC_KEEPALIVE_TIMEOUT", "expected a duration"]),
        (&[], "ETCD_LISTEN_METRICS_URLS", "ftp://a:1", &["ETCD_LISTEN_METRICS_URLS", "URL scheme must be http, https"]),
        (&[], "ETCD_INITIAL_CLUSTER_STATE", "old", &["ETCD_INITIAL_CLUSTER_STATE", "expected new or existing"]),
        (&[], "ETCD_CONFIG_FILE", "nowhere.yml", &["open nowhere.yml: no such file or directory"]),
        (&["--name=a"], "ETCD_NAME", "b", &["ETCD_NAME", "conflicting environment variable"]),
    ] {
        refused(dir.path(), words, &[(variable, value)], 1, texts);
    }
}

#[test]
fn words_and_variables_that_are_no_text_are_shown() {
    let dir = tempfile::tempdir().unwrap();
    let no_text = |text: &str| OsString::from_vec([text.as_bytes(), b"\xff"].concat());
    for (words, value, found) in [
        (vec![no_text("--data-dir=a")], "a".into(), "found \"--data-dir=a\\xFF\""),
        (Vec::new(), no_text("a"), "found ETCD_DATA_DIR=\"a\\xFF\""),
    ] {
        let ended = ended(program(dir.path()).args(&words).env("ETCD_DATA_DIR", &value));
        assert_eq!(ended.code, Some(USAGE), "{}", ended.err);
        assert!(ended.err.contains(&format!("expected flags and variables in UTF-8, {found}")), "{}", ended.err);
        assert!(contents(dir.path()).is_empty());
    }
}

#[test]
fn a_configuration_file_that_does_not_fit_is_named_with_the_key() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("folder.yml")).unwrap();
    for (name, text, expected) in [
        ("broken.yml", &b"name: [a"[..], &["broken.yml", "YAML"][..]),
        ("tabs.yml", b"name: a\n\t- b: {", &["tabs.yml"]),
        ("twice.yml", b"name: a\nname: b\n", &["twice.yml", "expected each key once"]),
        ("list.yml", b"- a\n- b\n", &["list.yml", "expected a map"]),
        ("bytes.yml", b"\xff\xfe\x00\x01", &["bytes.yml"]),
        ("number.yml", b"max-txn-ops: many\n", &["number.yml", "max-txn-ops", "expected a whole number"]),
        ("negative.yml", b"max-txn-ops: -3\n", &["negative.yml", "max-txn-ops"]),
        ("bool.yml", b"pre-vote: 7\n", &["bool.yml", "pre-vote", "expected true or false"]),
        ("time.yml", b"grpc-keepalive-timeout: soon\n", &["time.yml", "grpc-keepalive-timeout", "expected"]),
        ("url.yml", b"listen-client-urls: nowhere\n", &["url.yml", "listen-client-urls", "URL scheme must be"]),
        ("table.yml", b"client-transport-security: 5\n", &["table.yml", "client-transport-security", "expected a map"]),
        ("inner.yml", b"client-transport-security:\n  client-cert-auth: 5\n", &["inner.yml", "client-cert-auth"]),
        ("alone.yml", b"client-transport-security:\n  cert-file: a\n", &["--cert-file and --key-file must both be"]),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
        refused(dir.path(), &[&format!("--config-file={name}")], &[], 1, expected);
    }
    refused(dir.path(), &["--config-file=folder.yml"], &[], 1, &["folder.yml", "directory"]);
    refused(dir.path(), &["--config-file=none.yml"], &[], 1, &["open none.yml: no such file or directory"]);
}

#[test]
fn a_flag_given_twice_and_an_unknown_key_are_no_reason_to_refuse() {
    let dir = tempfile::tempdir().unwrap();
    // The last value counts, as in etcd: the first one is good, the last one is refused.
    refused(dir.path(), &["--max-txn-ops=5", "--max-txn-ops=0"], &[], 1, &["--max-txn-ops: expected 1"]);
    std::fs::write(dir.path().join("unknown.yml"), "no-such-flag: 1\nmax-txn-ops: 0\n").unwrap();
    let texts = ["unrecognized key in the configuration file", "no-such-flag", "--max-txn-ops: expected 1"];
    refused(dir.path(), &["--config-file=unknown.yml"], &[], 1, &texts);
}

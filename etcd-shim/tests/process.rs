//! The program as scripts and operators see it: exit codes, output streams, signals, and the log line
//! that says that the server is ready.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Output, Stdio};

use naxos_proto::etcd::client::etcdserverpb::MemberListRequest;
use naxos_proto::etcd::client::etcdserverpb::cluster_client::ClusterClient;
use support::{ANYWHERE, Server, block_on, get, program};
use tonic::transport::Endpoint;

fn output(words: &[&str], variables: &[(&str, &str)]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    program(dir.path()).args(words).envs(variables.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_version_of_etcd_is_printed_above_the_version_of_naxos() {
    let done = output(&["--version"], &[]);
    let out = text(&done.stdout);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((done.status.code(), lines[0]), (Some(0), "etcd Version: 3.6.16"));
    assert!(lines[1].starts_with("Naxos Version: "));
}

#[test]
fn exit_codes_and_streams_are_those_of_etcd() {
    let done = output(&["--help"], &[]);
    assert!(text(&done.stdout).contains("--listen-client-urls") && text(&done.stderr).starts_with("Usage:"));
    assert_eq!(done.status.code(), Some(0));

    let done = output(&["--bogus"], &[]);
    assert_eq!(done.status.code(), Some(2));
    assert!(text(&done.stderr).starts_with("flag provided but not defined: -bogus\nUsage:"));

    for (words, variables, level, part) in [
        (&["--heartbeat-interval=0"][..], &[][..], "warn", "--heartbeat-interval must be >0 (set to 0ms)"),
        (&["--name=a"], &[("ETCD_NAME", "b")], "fatal", "ETCD_NAME"),
        (&["--log-outputs=/nope/log"], &[], "warn", "expected a file that can be appended to: /nope/log"),
        (
            &[
                "--listen-client-urls=https://127.0.0.1:0",
                "--advertise-client-urls=https://a:1",
                "--cert-file=/nope",
                "--key-file=/nope",
            ],
            &[],
            "fatal",
            "open /nope: no such file or directory",
        ),
    ] {
        let done = output(words, variables);
        assert_eq!(done.status.code(), Some(1), "{words:?}");
        let err = text(&done.stderr);
        let lines: Vec<serde_json::Value> = err.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let last = lines.last().unwrap();
        assert_eq!(last["level"], level, "{err}");
        assert!(last.to_string().contains(part), "{err}");
    }
}

#[test]
fn a_server_says_when_it_is_ready_serves_at_once_and_ends_by_a_signal() {
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Server::start(dir.path(), &ANYWHERE);
        let serving = server.wait_for("serving client traffic insecurely; this is strongly discouraged!");
        server.wait_for("ready to serve client requests");
        let answer = get(serving["address"].as_str().unwrap(), "/version");
        assert!(answer.contains("\"etcdserver\":\"3.6.16\""), "{answer}");
        server.signal(signal);
        server.wait_for("received signal; shutting down");
        server.wait_for("closed etcd server");
        assert_eq!(server.child.wait().unwrap().code(), Some(0));
        assert!(server.seen.iter().all(|l| l["level"] != "error" && l["level"] != "fatal"), "{:?}", server.seen);
    }
}

#[test]
fn a_limit_of_open_files_that_is_too_low_ends_the_start_before_anything_is_written() {
    // With fewer file descriptors, the system may be unable to load the program.
    for limit in (8..40).chain([149, 150]) {
        let dir = tempfile::tempdir().unwrap();
        let program = program(dir.path());
        let lower = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
        let mut shell = Command::new("sh");
        shell.args(["-c", &lower]).arg(program.get_program()).args(ANYWHERE);
        shell.current_dir(dir.path()).stdin(Stdio::null());
        let done = shell.output().unwrap();
        let err = text(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{limit}: {err}");
        assert!(err.contains("file descriptor limit") && !err.contains("panicked"), "{limit}: {err}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{limit}");
    }
}

#[test]
fn under_the_name_etcd_the_data_directory_has_the_name_that_etcd_gives_it() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("etcd");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_naxos"), &link).unwrap();
    let done = Command::new(link)
        .current_dir(dir.path())
        .env_clear()
        .arg("--heartbeat-interval=100")
        .arg("--name=x y")
        .arg("--log-outputs=stderr")
        .arg("--listen-client-urls=unix://nowhere/at/all")
        .arg("--advertise-client-urls=http://a:1")
        .output()
        .unwrap();
    let err = text(&done.stderr);
    assert!(err.contains("\"data-dir\":\"x y.etcd\""), "{err}");
    assert_eq!(done.status.code(), Some(1), "{err}");
}

/// etcd keeps the ids of the cluster and of its member in its write-ahead log, so flags of a later start do not change
/// them.
#[test]
fn flags_that_begin_a_cluster_do_not_change_a_cluster_that_exists() {
    let dir = tempfile::tempdir().unwrap();
    let members = |address: &str| {
        let endpoint = Endpoint::new(format!("http://{address}")).unwrap();
        block_on(async {
            let mut cluster = ClusterClient::new(endpoint.connect_lazy());
            cluster.member_list(MemberListRequest::default()).await.unwrap().into_inner()
        })
    };
    let (server, address) = Server::serving(dir.path(), &[]);
    let begun = members(&address);
    assert_eq!(server.terminate(), Some(0));
    let other = ["--initial-advertise-peer-urls=http://10.9.8.7:2380", "--initial-cluster-token=another"];
    let (server, address) = Server::serving(dir.path(), &other);
    let found = members(&address);
    assert_eq!(found.header.unwrap().cluster_id, begun.header.unwrap().cluster_id);
    assert_eq!(found.header.unwrap().member_id, begun.header.unwrap().member_id);
    assert_eq!((found.members.len(), &found.members[0].peer_ur_ls), (1, &begun.members[0].peer_ur_ls));
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_client_that_has_closed_its_sending_side_gets_its_answer() {
    let dir = tempfile::tempdir().unwrap();
    let (server, address) = Server::serving(dir.path(), &[]);
    for n in 0..100 {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(b"GET /version HTTP/1.1\r\nHost: naxos\r\nConnection: close\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("\"etcdserver\":\"3.6.16\""), "request {n}: {answer:?}");
    }
    assert_eq!(server.terminate(), Some(0));
}

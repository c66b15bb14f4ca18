//! A server that listens on a Unix socket in its own data directory, as Kubernetes' integration tests start etcd.

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use support::Server;

fn version(socket: &Path) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(b"GET /version HTTP/1.1\r\nHost: naxos\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_socket_in_the_data_directory_is_not_foreign_and_goes_with_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let socket = data.join("etcd.sock");
    let url = format!("unix://{}", socket.display());
    let start = || {
        let mut server = Server::start(
            dir.path(),
            &[
                "--data-dir=data",
                &format!("--listen-client-urls={url}"),
                &format!("--advertise-client-urls={url}"),
                "--listen-peer-urls=http://127.0.0.1:0",
            ],
        );
        server.wait_for("ready to serve client requests");
        assert!(version(&socket).contains("\"etcdserver\""));
        server
    };
    let mut server = start();
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert!(socket.exists(), "a killed process leaves its socket");
    let server = start();
    assert_eq!(server.terminate(), Some(0));
    assert!(!socket.exists());
}

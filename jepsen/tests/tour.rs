//! The README's tour runs as it stands.
#![cfg(test)]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use naxos_jepsen::etcd_server::free_ports;
use naxos_jepsen::machine::WholeMachine;
use naxos_jepsen::servers::Server;

#[test]
fn the_tour_of_the_readme_runs() {
    let wanted = [Server::Etcdctl, Server::KubeApiserver, Server::Kubectl];
    let mut programs = Vec::new();
    for server in wanted {
        let Some(executable) = server.executable() else { return };
        programs.push((server.name(), executable));
    }
    let _alone = WholeMachine::take();
    programs.push(("naxos", env!("CARGO_BIN_EXE_naxos-jepsen-node").into()));
    let folder = tempfile::tempdir().expect("a folder for the programs");
    for (name, executable) in &programs {
        symlink(executable, folder.path().join(name)).expect("a link");
    }
    let tour = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("examples/tour");
    let path = std::env::var("PATH").unwrap_or_default();
    let [client, api] = free_ports();
    let output = Command::new("bash")
        .arg(tour)
        .env("PATH", format!("{}:{path}", folder.path().display()))
        .env("TOUR_CLIENT_PORT", client.to_string())
        .env("TOUR_API_PORT", api.to_string())
        .output()
        .expect("bash runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("# done"), "{said}\n{complained}");
}

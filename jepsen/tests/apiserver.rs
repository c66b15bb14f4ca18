//! Runs a kube-apiserver on one Naxos server, which it reaches over plain HTTP. No other part of Kubernetes runs.
#![cfg(test)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use naxos_jepsen::etcd_server::{EtcdServer, free_ports};
use naxos_jepsen::kubernetes::kubectl::{Kubectl, named, printed};
use naxos_jepsen::kubernetes::watching::Watching;
use naxos_jepsen::pace;
use naxos_jepsen::process::{Process, finish};
use naxos_jepsen::servers::Server;

const START_LIMIT: Duration = Duration::from_secs(60);
const CONFIG_MAPS: usize = 10;

/// Tests kube-apiserver on the etcd server `program`. Tests nothing if Go is missing.
fn serves_kube_apiserver(program: &Path) -> Option<()> {
    let etcd = EtcdServer::start(program, &[]);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let [port] = free_ports();
    let _apiserver = start_apiserver(folder.path(), etcd.client_url(), port)?;
    let kubectl = client(folder.path(), port)?;
    let ready = pace::wait_for(START_LIMIT, || kubectl.run("get --raw /readyz").success.then_some(()));
    assert!(ready.is_some(), "kube-apiserver does not become ready:\n{}", _apiserver.log().tail());

    let mut watched = Watching::running(&kubectl, "default", "configmaps -n default");
    let mut versions = BTreeSet::new();
    for number in 0..CONFIG_MAPS {
        for line in [
            format!("create configmap map-{number} -n default --from-literal=step=0 -o json"),
            format!("patch configmap map-{number} -n default --type=merge -p {{\"data\":{{\"step\":\"1\"}}}} -o json"),
        ] {
            let ended = kubectl.run(&line);
            assert!(ended.success, "{line}: {}", ended.stderr);
            versions.extend(printed(&ended.stdout).iter().map(|object| named(object).resource_version));
        }
    }
    assert_eq!(versions.len(), 2 * CONFIG_MAPS);
    let listed = kubectl.list("get configmaps -n default --chunk-size=3").expect("a list");
    let listed: Vec<_> = listed.iter().filter(|object| object.name.starts_with("map-")).collect();
    assert_eq!(listed.len(), CONFIG_MAPS);
    assert!(listed.iter().all(|object| versions.contains(&object.resource_version)), "{listed:?}");
    let deleted = kubectl.run("delete configmaps -n default map-0 map-1 map-2");
    assert!(deleted.success, "{}", deleted.stderr);
    let gone = kubectl.run("get configmap map-1 -n default");
    assert!(!gone.success && gone.stderr.contains("NotFound"), "{gone:?}");
    watched.missed_nothing(&versions);
    let deletions = || watched.events().iter().filter(|event| event.kind == "DELETED").count();
    assert!(pace::wait_for(START_LIMIT, || (deletions() == 3).then_some(())).is_some(), "{:?}", watched.events());
    Some(())
}

fn start_apiserver(folder: &Path, etcd: &str, port: u16) -> Option<Process> {
    let mut keys = Command::new(Server::Kubeadm.executable()?);
    keys.args(["init", "phase", "certs", "sa", "--cert-dir"]).arg(folder);
    let ended = finish(keys, "");
    assert!(ended.success, "kubeadm: {}", ended.stderr);
    let tokens = folder.join("tokens");
    std::fs::write(&tokens, "tok,admin,1,system:masters\n").expect("a file");
    let mut command = Command::new(Server::KubeApiserver.executable()?);
    let path = |name: &str| folder.join(name).display().to_string();
    command.args([
        format!("--etcd-servers={etcd}"),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", path("sa.pub")),
        format!("--service-account-signing-key-file={}", path("sa.key")),
        format!("--cert-dir={}", path("certs")),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        "--authorization-mode=AlwaysAllow".to_owned(),
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        format!("--token-auth-file={}", tokens.display()),
    ]);
    Some(Process::start("kube-apiserver", command))
}

fn client(folder: &Path, port: u16) -> Option<Kubectl> {
    let configuration = format!(
        "apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{port}', insecure-skip-tls-verify: true}}}}]
users: [{{name: u, user: {{token: tok}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
current-context: c
"
    );
    let kubeconfig = folder.join("kubeconfig");
    std::fs::write(&kubeconfig, configuration).expect("a file");
    Some(Kubectl::new(&Server::Kubectl.executable()?, &kubeconfig, folder))
}

#[test]
fn naxos_serves_kube_apiserver() {
    serves_kube_apiserver(Path::new(env!("CARGO_BIN_EXE_naxos-jepsen-node")));
}

/// If this fails, the test itself is wrong.
#[test]
fn etcd_serves_kube_apiserver() {
    let Some(etcd) = Server::Etcd.executable() else { return };
    serves_kube_apiserver(&etcd);
}

//! Runs a kube-apiserver on Naxos, which it reaches over plain HTTP: on one server, and on a cluster that loses two of
//! its three members and is recovered. No other part of Kubernetes runs.
#![cfg(test)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use naxos_jepsen::cluster::{recover, start_all};
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
    let (_apiserver, kubectl) = ready_apiserver(folder.path(), etcd.client_url())?;

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

/// Starts kube-apiserver on the servers `etcd`, and waits until it is ready. `None` if Go is missing.
fn ready_apiserver(folder: &Path, etcd: &str) -> Option<(Process, Kubectl)> {
    let [port] = free_ports();
    let apiserver = start_apiserver(folder, etcd, port)?;
    let kubectl = client(folder, port)?;
    let ready = pace::wait_for(START_LIMIT, || kubectl.run("get --raw /readyz").success.then_some(()));
    assert!(ready.is_some(), "kube-apiserver does not become ready:\n{}", apiserver.log().tail());
    Some((apiserver, kubectl))
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

/// Two of three members are destroyed and the third is recovered. kube-apiserver runs all the time. Tests nothing if Go
/// is missing.
fn goes_on_after_a_recovery(program: &Path) -> Option<()> {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let in_folder = |name: &str| folder.path().join(name);
    std::fs::create_dir(in_folder("kubernetes")).expect("a folder");
    let mut members = EtcdServer::members(program, folder.path(), &["a", "b", "c"], &[]);
    start_all(&mut members).expect("three members");
    let urls: Vec<&str> = members.iter().map(EtcdServer::client_url).collect();
    let (mut apiserver, kubectl) = ready_apiserver(&in_folder("kubernetes"), &urls.join(","))?;
    let versions = |verb: &dyn Fn(usize) -> String| {
        (0..CONFIG_MAPS)
            .flat_map(|number| {
                let ended = kubectl.run(&verb(number));
                assert!(ended.success, "{}: {}", verb(number), ended.stderr);
                printed(&ended.stdout).iter().map(|object| named(object).resource_version).collect::<Vec<_>>()
            })
            .collect::<BTreeSet<_>>()
    };
    let made = versions(&|number| format!("create configmap map-{number} -n default --from-literal=step=0 -o json"));

    for (member, name) in members.iter_mut().zip(["a", "b"]) {
        member.kill();
        std::fs::remove_dir_all(in_folder(name)).expect("a disk is destroyed");
    }
    members[2].kill();
    std::fs::rename(in_folder("c"), in_folder("c.old")).expect("a new name");
    recover(program, &in_folder("c.old"), &in_folder("c")).unwrap_or_else(|error| panic!("{error:?}"));
    members[2].start_again();

    let went_on = || kubectl.run("create configmap after -n default").success.then_some(());
    assert!(pace::wait_for(START_LIMIT, went_on).is_some(), "it does not go on:\n{}", apiserver.log().tail());
    let listed = kubectl.list("get configmaps -n default").expect("a list");
    assert_eq!(listed.iter().filter(|object| object.name.starts_with("map-")).count(), CONFIG_MAPS);
    assert!(kubectl.run("create namespace after").success, "{}", apiserver.log().tail());
    // kube-apiserver tries to watch etcd again after up to a minute (the backoff of client-go's reflector). Until then
    // kubectl's watch gets nothing. Then kube-apiserver lists anew and ends the watches that began before that list, as
    // it does after every compaction, so kubectl has to begin again.
    let mut watched = Watching::running(&kubectl, "after", "configmaps -n after");
    let mut probes = 0;
    let watches_again = || {
        if watched.ended().is_some() {
            watched = Watching::start(&kubectl, "configmaps -n after");
        }
        if watched.events().is_empty() {
            return None;
        }
        probes += 1;
        let probe = format!("kube-probe-{probes}");
        let made = kubectl.run(&format!("create configmap {probe} -n after"));
        assert!(made.success, "{}", made.stderr);
        pace::sleep(Duration::from_millis(500));
        watched.events().iter().any(|event| event.name == probe).then_some(())
    };
    let again = pace::wait_for(START_LIMIT, watches_again);
    assert!(again.is_some(), "kube-apiserver never watches again: {:?}\n{}", watched.ended(), apiserver.log().tail());
    let later = versions(&|number| format!("create configmap later-{number} -n after -o json"));
    assert!(made.last() < later.first(), "a version went back: {made:?}, then {later:?}");
    watched.missed_nothing(&later);
    let patch = "patch configmap map-0 -n default --type=merge -p {\"data\":{\"step\":\"1\"}}";
    assert!(kubectl.run(patch).success, "an object from before the recovery cannot be changed");
    assert!(apiserver.wait(Duration::ZERO).is_none(), "kube-apiserver ended:\n{}", apiserver.log().tail());
    Some(())
}

#[test]
fn kube_apiserver_goes_on_after_two_of_three_members_were_destroyed() {
    goes_on_after_a_recovery(Path::new(env!("CARGO_BIN_EXE_naxos-jepsen-node")));
}

/// If this fails, the test itself is wrong.
#[test]
fn etcd_serves_kube_apiserver() {
    let Some(etcd) = Server::Etcd.executable() else { return };
    serves_kube_apiserver(&etcd);
}

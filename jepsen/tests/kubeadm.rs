//! A cluster as kubeadm makes it, with one node and with three. The servers are started with the command lines that
//! kubeadm made for etcd. During work there are ten kills. With three nodes, each kill hits a server that is chosen at
//! random.
#![cfg(test)]

use std::path::Path;
use std::time::Duration;

use naxos_jepsen::differential::dice::seed_of_this_run;
use naxos_jepsen::etcd_server::EtcdServer;
use naxos_jepsen::kubernetes::nemesis::Nemesis;
use naxos_jepsen::kubernetes::network::Network;
use naxos_jepsen::kubernetes::plane::Plane;
use naxos_jepsen::kubernetes::probe;
use naxos_jepsen::kubernetes::watching::Watching;
use naxos_jepsen::kubernetes::work::{
    WIDGETS, change_config_maps, come_and_go, create_widgets, delete_namespaces, deploy, page_widgets, prepare,
};
use naxos_jepsen::machine::{self, WholeMachine};
use naxos_jepsen::pace;
use naxos_jepsen::servers::Server;

const KILLS: u32 = 10;
const SERVICE_BETWEEN_KILLS: Duration = Duration::from_secs(3);
const WIDGET_COUNT: usize = 1_000;
const PAGE: usize = 100;
const PODS: usize = 50;
/// kube-apiserver logs this when it has lost the history and all watches have to start again.
const HISTORY_LOST: &str = "Terminating all watchers from cacher";
const PROBES: &str = "127.0.0.1:2381";

/// Starts the etcd servers of this many nodes, as `kubeadm init` and `kubeadm join` do. `None` if Go is missing.
fn start_etcd(plane: &Plane, program: &Path, nodes: usize) -> Option<Vec<EtcdServer>> {
    let mut first = plane.etcd(program);
    first.start_again();
    let mut servers = vec![first];
    for node in 1..nodes {
        plane.add_node(node);
        plane.add_member(node)?;
        let mut server = plane.joining_etcd(node);
        server.start_again();
        plane.promote_member(node)?;
        servers.push(server);
    }
    Some(servers)
}

/// Tests nothing if Go is missing.
fn survives_ten_kills(program: &Path, nodes: usize) -> Option<()> {
    let folder = tempfile::tempdir().expect("a temporary directory");
    // The programs are built before the test enters its network, from which Go's module proxy cannot be reached.
    for server in [Server::Kubeadm, Server::Kubectl, Server::KubeApiserver, Server::KubeControllerManager] {
        server.executable();
    }
    let _network = Network::enter();
    let plane = Plane::from_kubeadm(folder.path())?;
    let etcd = start_etcd(&plane, program, nodes)?;
    for path in ["/livez", "/readyz"] {
        let (code, body) = probe::get(PROBES, path).expect("the probe's port answers");
        assert_eq!((code, body.trim()), (200, "ok"), "{path}");
    }
    let kubectl = plane.kubectl()?;
    let apiserver = plane.kube_apiserver(&kubectl, nodes)?;
    let _controllers = plane.kube_controller_manager()?;
    prepare(&kubectl, &["work", "batch"]);
    let maps = "configmaps -n work --field-selector=metadata.name!=kube-root-ca.crt";
    let mut maps_watched = Watching::running(&kubectl, "work", maps);
    let mut widgets_watched = Watching::start(&kubectl, &format!("{WIDGETS} -n batch"));

    let nemesis = Nemesis::start(etcd, KILLS, SERVICE_BETWEEN_KILLS, seed_of_this_run());
    let own = kubectl.clone();
    let creating = pace::thread("widgets", move || create_widgets(&own, "batch", WIDGET_COUNT));
    let own = kubectl.clone();
    let deploying = pace::thread("deployment", move || {
        deploy(&own, "work", PODS);
        come_and_go(&own, "passing");
    });
    let maps = change_config_maps(&kubectl, "work", 20, || nemesis.is_done());
    let etcd = nemesis.join();
    let widgets = creating.join().expect("the widgets were created");
    deploying.join().expect("the deployment was made, and a namespace came and went");

    maps.is_what_is_there(&kubectl, "configmaps -n work");
    widgets.is_what_is_there(&kubectl, &format!("{WIDGETS} -n batch"));
    assert_eq!(page_widgets(&kubectl, "batch", PAGE), vec![PAGE; WIDGET_COUNT / PAGE]);
    maps_watched.missed_nothing(&maps.versions);
    widgets_watched.missed_nothing(&widgets.versions);

    delete_namespaces(&kubectl, &["work", "batch"]);
    let keys = plane.keys()?;
    let left: Vec<_> =
        keys.iter().filter(|key| ["work", "batch", "passing"].iter().any(|gone| names(key, gone))).collect();
    assert!(keys.len() > 10, "expected more than 10 keys after the test objects are gone, found {keys:?}");
    assert!(left.is_empty(), "keys of deleted namespaces are left: {left:?}");
    assert_eq!(probe::get(PROBES, "/readyz").expect("the probe's port answers").0, 200);
    assert_eq!(apiserver.log().matching(HISTORY_LOST), Vec::<String>::new(), "{}", etcd[0].log().tail());
    Some(())
}

/// Whether the key is that of the namespace or of something in it.
fn names(key: &str, namespace: &str) -> bool {
    // The keys of events about the namespace itself do not count: they are in the namespace `default`.
    key.split('/').any(|part| part == namespace)
}

/// Checks for Go and root, and reserves the whole machine. `None` if the test cannot run.
fn machine_for_it() -> Option<WholeMachine> {
    (machine::has_go() && machine::is_root()).then(WholeMachine::take)
}

#[test]
fn a_kubeadm_cluster_on_naxos_survives_ten_kills() {
    let Some(_machine) = machine_for_it() else { return };
    survives_ten_kills(Path::new(env!("CARGO_BIN_EXE_naxos-jepsen-node")), 1);
}

#[test]
fn three_kubeadm_nodes_on_naxos_survive_ten_kills() {
    let Some(_machine) = machine_for_it() else { return };
    survives_ten_kills(Path::new(env!("CARGO_BIN_EXE_naxos-jepsen-node")), 3);
}

/// Runs only if `NAXOS_PROVE=1` is set. It runs the same steps against etcd. If it fails, the steps are wrong, not
/// Naxos.
#[test]
fn a_kubeadm_cluster_on_etcd_survives_ten_kills() {
    if std::env::var_os("NAXOS_PROVE").is_none() {
        return println!("skipped: set NAXOS_PROVE=1 to check the steps of this test against etcd");
    }
    let Some(_machine) = machine_for_it() else { return };
    let Some(etcd) = Server::Etcd.executable() else { return };
    survives_ten_kills(&etcd, 1);
}

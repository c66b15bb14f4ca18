//! The control plane as kubeadm describes it: certificates, kubeconfigs, manifests, and the components that use them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::kubectl::Kubectl;
use super::network::NODE_ADDRESSES;
use crate::etcd_server::{EtcdServer, member_list};
use crate::pace;
use crate::process::{Ended, Process, finish};
use crate::servers::Server;

/// The version of the pinned Kubernetes module.
const KUBERNETES_VERSION: &str = "v1.36.3";
const START_LIMIT: Duration = Duration::from_secs(120);

/// A folder with the files that kubeadm has written.
#[derive(Debug)]
pub struct Plane {
    folder: PathBuf,
    kubeadm: PathBuf,
}

impl Plane {
    /// Makes certificates, kubeconfigs and manifests, all with kubeadm. `None` if there is no Go.
    ///
    /// # Panics
    /// If kubeadm fails.
    pub fn from_kubeadm(folder: &Path) -> Option<Self> {
        let plane = Plane { folder: folder.to_owned(), kubeadm: Server::Kubeadm.executable()? };
        plane.configure(0);
        plane.phase(0, "certs all");
        let here = folder.display();
        plane.phase(0, &format!("kubeconfig super-admin --kubeconfig-dir {here}"));
        plane.phase(0, &format!("kubeconfig controller-manager --kubeconfig-dir {here}"));
        plane.phase(0, "etcd local --dry-run");
        plane.phase(0, "control-plane apiserver --dry-run");
        Some(plane)
    }

    /// Makes the certificates and the etcd manifest of another node, with the authorities of the first one.
    ///
    /// # Panics
    /// If kubeadm fails.
    pub fn add_node(&self, node: usize) {
        self.configure(node);
        let (from, to) = (self.path("pki/etcd"), self.path(&pki(node)).join("etcd"));
        fs::create_dir_all(&to).expect("a folder");
        for name in ["ca.crt", "ca.key"] {
            fs::copy(from.join(name), to.join(name)).expect("an authority");
        }
        for words in ["certs etcd-server", "certs etcd-peer", "certs etcd-healthcheck-client", "etcd local --dry-run"] {
            self.phase(node, words);
        }
    }

    /// The server that the etcd manifest describes. It runs `program` under the name `etcd` with the arguments of the
    /// manifest. It is not started yet.
    pub fn etcd(&self, program: &Path) -> EtcdServer {
        let executable = self.path("etcd");
        symlink(program, &executable).expect("a link");
        EtcdServer::from_command_line(&executable, &self.command(0, "etcd"))
    }

    /// As [`Self::etcd`], for another node, which joins the members before it. As `kubeadm join` does, the command line
    /// lists all of them. All nodes share one network here, so each has a loopback address of its own.
    pub fn joining_etcd(&self, node: usize) -> EtcdServer {
        let listed = member_list((0..=node).map(|node| (name(node), peer_url(node))));
        let changed = |argument: String| match argument.split_once('=') {
            Some(("--initial-cluster", _)) => format!("--initial-cluster={listed}"),
            _ => argument.replace("127.0.0.1", &format!("127.0.0.{}", node + 1)),
        };
        let mut arguments: Vec<_> = self.command(node, "etcd").into_iter().map(changed).collect();
        arguments.push("--initial-cluster-state=existing".to_owned());
        EtcdServer::from_command_line(&self.path("etcd"), &arguments)
    }

    /// Adds a node to the members as a learner, as `kubeadm join` does: it tries until the members count as healthy.
    /// `None` if there is no Go.
    ///
    /// # Panics
    /// If it is never added.
    pub fn add_member(&self, node: usize) -> Option<()> {
        Server::Etcdctl.executable()?;
        let (name, url) = (name(node), format!("--peer-urls={}", peer_url(node)));
        let words = ["member", "add", &name, "--learner", &url];
        let added = pace::wait_for(START_LIMIT, || self.etcdctl(&words).filter(|ended| ended.success).map(drop));
        assert!(added.is_some(), "etcdctl member add: {:?}", self.etcdctl(&words));
        Some(())
    }

    /// Gives the vote to a node that was added, as soon as it has learnt enough. `None` if there is no Go.
    ///
    /// # Panics
    /// If it gets no vote.
    pub fn promote_member(&self, node: usize) -> Option<()> {
        let listed = self.etcdctl(&["member", "list"])?.stdout;
        let line = listed.lines().find(|line| line.contains(&peer_url(node))).expect("the member is listed");
        let id = line.split(',').next().expect("a line has an id").to_owned();
        let promoted = pace::wait_for(START_LIMIT, || {
            self.etcdctl(&["member", "promote", &id]).filter(|ended| ended.success).map(drop)
        });
        assert!(promoted.is_some(), "{listed}");
        Some(())
    }

    fn etcdctl(&self, words: &[&str]) -> Option<Ended> {
        let mut command = Command::new(Server::Etcdctl.executable()?);
        command.arg("--endpoints=https://127.0.0.1:2379");
        command.arg(format!("--cacert={}", self.path("pki/etcd/ca.crt").display()));
        command.arg(format!("--cert={}", self.path("pki/apiserver-etcd-client.crt").display()));
        command.arg(format!("--key={}", self.path("pki/apiserver-etcd-client.key").display()));
        command.args(words);
        Some(finish(command, ""))
    }

    /// Starts kube-apiserver from its manifest, with the etcd servers of this many nodes. `None` if there is no Go.
    ///
    /// # Panics
    /// If it does not become ready.
    pub fn kube_apiserver(&self, kubectl: &Kubectl, nodes: usize) -> Option<Process> {
        let mut command = Command::new(Server::KubeApiserver.executable()?);
        let all = NODE_ADDRESSES[..nodes].iter().map(|address| format!("https://{address}:2379"));
        let all = format!("--etcd-servers={}", all.collect::<Vec<_>>().join(","));
        // The manifest has the one server of its own node, so it is changed only if there are more.
        let is_changed = |argument: &String| nodes > 1 && argument.starts_with("--etcd-servers=");
        let changed = |argument: String| if is_changed(&argument) { all.clone() } else { argument };
        command.args(self.command(0, "kube-apiserver").into_iter().map(changed));
        let process = Process::start("kube-apiserver", command);
        let ready = pace::wait_for(START_LIMIT, || kubectl.run("get --raw /readyz").success.then_some(()));
        assert!(ready.is_some(), "kube-apiserver does not become ready:\n{}", process.log().tail());
        Some(process)
    }

    /// Starts kube-controller-manager with the kubeconfig and the keys that kubeadm made. Its flags are chosen here and
    /// do not come from a manifest. `None` if there is no Go.
    pub fn kube_controller_manager(&self) -> Option<Process> {
        let mut command = Command::new(Server::KubeControllerManager.executable()?);
        command.args(["--leader-elect=false", "--secure-port=0", "--use-service-account-credentials=true"]);
        command.args(["--kube-api-qps=500", "--kube-api-burst=1000", "--concurrent-namespace-syncs=20"]);
        command.arg(format!("--kubeconfig={}", self.path("controller-manager.conf").display()));
        command.arg(format!("--service-account-private-key-file={}", self.path("pki/sa.key").display()));
        command.arg(format!("--root-ca-file={}", self.path("pki/ca.crt").display()));
        Some(Process::start("kube-controller-manager", command))
    }

    /// A client with all rights. `None` if there is no Go.
    pub fn kubectl(&self) -> Option<Kubectl> {
        Some(Kubectl::new(&Server::Kubectl.executable()?, &self.path("super-admin.conf"), &self.folder))
    }

    /// All keys of the store that begin with `/`, read over mTLS with the client certificate of kube-apiserver. `None`
    /// if there is no Go.
    ///
    /// # Panics
    /// If etcdctl fails.
    pub fn keys(&self) -> Option<Vec<String>> {
        let ended = self.etcdctl(&["get", "/", "--prefix", "--keys-only"])?;
        assert!(ended.success, "etcdctl: {}", ended.stderr);
        Some(ended.stdout.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes kubeadm's configuration of a node.
    fn configure(&self, node: usize) {
        fs::write(self.path(&yaml(node)), self.configuration(node)).expect("a file");
        fs::create_dir(self.path(&manifests(node))).expect("a folder");
    }

    fn configuration(&self, node: usize) -> String {
        let (here, address, name, pki) = (self.folder.display(), NODE_ADDRESSES[node], name(node), pki(node));
        format!(
            "apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint:
  advertiseAddress: {address}
  bindPort: 6443
nodeRegistration:
  name: {name}
  criSocket: unix:///run/none.sock
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: {KUBERNETES_VERSION}
certificatesDir: {here}/{pki}
etcd:
  local:
    dataDir: {here}/etcd-data-{name}
"
        )
    }

    fn phase(&self, node: usize, words: &str) {
        let mut command = Command::new(&self.kubeadm);
        command.args(["init", "phase"]).args(words.split(' '));
        command.arg("--config").arg(self.path(&yaml(node)));
        command.env("KUBEADM_INIT_DRYRUN_DIR", self.path(&manifests(node)));
        let ended = finish(command, "");
        assert!(ended.success, "kubeadm init phase {words}: {}{}", ended.stdout, ended.stderr);
    }

    /// The arguments of the container in the manifest `name` of a node, unchanged.
    fn command(&self, node: usize, name: &str) -> Vec<String> {
        let manifest = self.path(&manifests(node)).join(format!("{name}.yaml"));
        let text = fs::read_to_string(&manifest).unwrap_or_else(|e| panic!("{}: {e}", manifest.display()));
        let lines = text.lines().skip_while(|line| line.trim() != "- command:").skip(1);
        let items: Vec<_> = lines.map_while(|line| line.strip_prefix("    - ")).map(str::to_owned).collect();
        assert_eq!(items.first().map(String::as_str), Some(name), "the command in {}", manifest.display());
        items[1..].to_vec()
    }
}

fn name(node: usize) -> String {
    format!("n{node}")
}

fn peer_url(node: usize) -> String {
    format!("https://{}:2380", NODE_ADDRESSES[node])
}

/// The folder with a node's certificates.
fn pki(node: usize) -> String {
    if node == 0 { "pki".to_owned() } else { format!("pki-{}", name(node)) }
}

fn manifests(node: usize) -> String {
    format!("manifests-{}", name(node))
}

fn yaml(node: usize) -> String {
    format!("kubeadm-{}.yaml", name(node))
}

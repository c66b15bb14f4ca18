//! The control plane as kubeadm describes it: certificates, kubeconfigs, manifests, and the components that use them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::kubectl::Kubectl;
use super::network::NODE_ADDRESS;
use crate::etcd_server::EtcdServer;
use crate::pace;
use crate::process::{Process, finish};
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
        fs::write(plane.path("kubeadm.yaml"), plane.configuration()).expect("a file");
        fs::create_dir(plane.path("manifests")).expect("a folder");
        plane.phase("certs all");
        let here = folder.display();
        plane.phase(&format!("kubeconfig super-admin --kubeconfig-dir {here}"));
        plane.phase(&format!("kubeconfig controller-manager --kubeconfig-dir {here}"));
        plane.phase("etcd local --dry-run");
        plane.phase("control-plane apiserver --dry-run");
        Some(plane)
    }

    /// The server that the etcd manifest describes. It runs `program` under the name `etcd` with the arguments of the
    /// manifest. It is not started yet.
    pub fn etcd(&self, program: &Path) -> EtcdServer {
        let executable = self.path("etcd");
        symlink(program, &executable).expect("a link");
        EtcdServer::from_command_line(&executable, &self.command("etcd"))
    }

    /// Starts kube-apiserver from its manifest. `None` if there is no Go.
    ///
    /// # Panics
    /// If it does not become ready.
    pub fn kube_apiserver(&self, kubectl: &Kubectl) -> Option<Process> {
        let mut command = Command::new(Server::KubeApiserver.executable()?);
        command.args(self.command("kube-apiserver"));
        let process = Process::start("kube-apiserver", command);
        let ready = pace::wait_for(START_LIMIT, || kubectl.run("get --raw /readyz").success.then_some(()));
        assert!(ready.is_some(), "kube-apiserver does not become ready:\n{}", process.log().tail());
        Some(process)
    }

    /// Starts kube-controller-manager with the kubeconfig and the keys that kubeadm made, but with its own flags and
    /// not from a manifest. `None` if there is no Go.
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
        let mut command = Command::new(Server::Etcdctl.executable()?);
        command.arg("--endpoints=https://127.0.0.1:2379");
        command.arg(format!("--cacert={}", self.path("pki/etcd/ca.crt").display()));
        command.arg(format!("--cert={}", self.path("pki/apiserver-etcd-client.crt").display()));
        command.arg(format!("--key={}", self.path("pki/apiserver-etcd-client.key").display()));
        command.args(["get", "/", "--prefix", "--keys-only"]);
        let ended = finish(command, "");
        assert!(ended.success, "etcdctl: {}", ended.stderr);
        Some(ended.stdout.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn configuration(&self) -> String {
        let here = self.folder.display();
        format!(
            "apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint:
  advertiseAddress: {NODE_ADDRESS}
  bindPort: 6443
nodeRegistration:
  name: n0
  criSocket: unix:///run/none.sock
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: {KUBERNETES_VERSION}
certificatesDir: {here}/pki
etcd:
  local:
    dataDir: {here}/etcd-data
"
        )
    }

    fn phase(&self, words: &str) {
        let mut command = Command::new(&self.kubeadm);
        command.args(["init", "phase"]).args(words.split(' '));
        command.arg("--config").arg(self.path("kubeadm.yaml"));
        command.env("KUBEADM_INIT_DRYRUN_DIR", self.path("manifests"));
        let ended = finish(command, "");
        assert!(ended.success, "kubeadm init phase {words}: {}{}", ended.stdout, ended.stderr);
    }

    /// The arguments of the container in the manifest `name`, unchanged.
    fn command(&self, name: &str) -> Vec<String> {
        let manifest = self.path("manifests").join(format!("{name}.yaml"));
        let text = fs::read_to_string(&manifest).unwrap_or_else(|e| panic!("{}: {e}", manifest.display()));
        let lines = text.lines().skip_while(|line| line.trim() != "- command:").skip(1);
        let items: Vec<_> = lines.map_while(|line| line.strip_prefix("    - ")).map(str::to_owned).collect();
        assert_eq!(items.first().map(String::as_str), Some(name), "the command in {}", manifest.display());
        items[1..].to_vec()
    }
}

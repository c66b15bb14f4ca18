//! The real servers: etcd and the Kubernetes components, built from the Go modules below `servers/`.
//!
//! Each is built once into `<target>/servers/<hash of the module>/`. A file lock makes tests that run in parallel wait
//! for one build. Thanks to Go's build cache, a build for a new hash often takes only seconds.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine;
use crate::process::finish;

/// A program that the tests run next to Naxos.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Etcd,
    Etcdctl,
    /// A program that prints the descriptors of etcd's public API.
    EtcdDescriptors,
    /// etcd's own tests `tests/common`, which start an `etcd` of the caller's choice.
    EtcdSuite,
    Etcdutl,
    KubeApiserver,
    KubeControllerManager,
    Kubectl,
    Kubeadm,
}

impl Server {
    /// The path of the program, which is built if necessary. Prints the reason and returns `None` if Go is missing or
    /// too old.
    ///
    /// # Panics
    /// If the build fails, or if Go is missing or too old and `CI` is set.
    pub fn executable(self) -> Option<PathBuf> {
        if !machine::has_go() {
            return None;
        }
        let module = self.module_path();
        let folder = machine::target_folder().join("servers").join(module_hash(&module));
        fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let executable = folder.join(self.name());
        let _lock = machine::locked(&folder.join("build.lock"));
        if !executable.is_file() {
            build(&module, self, &executable);
        }
        Some(executable)
    }

    /// The file name of the program.
    pub fn name(self) -> &'static str {
        match self {
            Server::Etcd => "etcd",
            Server::Etcdctl => "etcdctl",
            Server::EtcdDescriptors => "etcd-descriptors",
            Server::EtcdSuite => "etcd-suite",
            Server::Etcdutl => "etcdutl",
            Server::KubeApiserver => "kube-apiserver",
            Server::KubeControllerManager => "kube-controller-manager",
            Server::Kubectl => "kubectl",
            Server::Kubeadm => "kubeadm",
        }
    }

    fn module(self) -> &'static str {
        match self {
            Server::Etcd | Server::Etcdctl | Server::EtcdDescriptors => "etcd",
            Server::EtcdSuite | Server::Etcdutl => "suite",
            Server::KubeApiserver | Server::KubeControllerManager | Server::Kubectl | Server::Kubeadm => "kubernetes",
        }
    }

    fn module_path(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(self.module())
    }

    /// The folder of the pinned module `name`, in Go's cache.
    ///
    /// # Panics
    /// If Go cannot say where it is.
    pub fn module_folder(self, name: &str) -> PathBuf {
        let mut command = Command::new("go");
        command.args(["list", "-m", "-f", "{{.Dir}}", name]).current_dir(self.module_path());
        let listed = finish(command, "");
        assert!(listed.success, "go list -m {name}: {}", listed.stderr);
        listed.stdout.trim().into()
    }

    /// What `go` does to make the program.
    fn verb(self) -> &'static [&'static str] {
        match self {
            Server::EtcdSuite => &["test", "-c", "-tags", "e2e"],
            _ => &["build"],
        }
    }

    fn package(self) -> &'static str {
        match self {
            Server::Etcd => "go.etcd.io/etcd/server/v3",
            Server::Etcdctl => "go.etcd.io/etcd/etcdctl/v3",
            Server::EtcdDescriptors => "./descriptors",
            Server::EtcdSuite => "go.etcd.io/etcd/tests/v3/common",
            Server::Etcdutl => "go.etcd.io/etcd/etcdutl/v3",
            Server::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Server::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Server::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Server::Kubeadm => "k8s.io/kubernetes/cmd/kubeadm",
        }
    }
}

/// Builds into a temporary file and renames it, so that an interrupted build does not leave a file that looks
/// complete.
fn build(module: &Path, server: Server, executable: &Path) {
    let (half, package) = (executable.with_extension("half"), server.package());
    let done = Command::new("go")
        .args(server.verb())
        .args(["-ldflags", "-s -w", "-o"])
        .arg(&half)
        .arg(package)
        .current_dir(module)
        .output()
        .expect("go was found a moment ago");
    assert!(
        done.status.success(),
        "go {} {package}: {}",
        server.verb().join(" "),
        String::from_utf8_lossy(&done.stderr)
    );
    fs::rename(&half, executable).unwrap_or_else(|e| panic!("{}: {e}", executable.display()));
}

/// A hash that changes with the pinned versions and with the module's own sources.
fn module_hash(module: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    for file in ["go.sum", "go.mod", "descriptors/main.go"] {
        fs::read(module.join(file)).unwrap_or_default().hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

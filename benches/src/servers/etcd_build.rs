//! Builds a real etcd from its Go module. `jepsen/servers/etcd/go.mod` pins the version.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The Go package of etcd's program.
const PACKAGE: &str = "go.etcd.io/etcd/server/v3";

/// Builds etcd and returns its path, `<target>/servers/etcd`. Go's build cache makes a second build fast.
pub fn build() -> Result<PathBuf> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../jepsen/servers/etcd");
    ensure!(module.is_dir(), "{}: no such folder; give --etcd PATH", module.display());
    let executable = target_folder()?.join("servers").join("etcd");
    eprintln!("building etcd into {}", executable.display());
    let built = Command::new("go")
        .args(["build", "-ldflags", "-s -w", "-o"])
        .arg(&executable)
        .arg(PACKAGE)
        .current_dir(&module)
        .output()
        .context("`go` cannot be run to build etcd; if Go is not installed, give --etcd PATH")?;
    ensure!(built.status.success(), "go build {PACKAGE}: {}", String::from_utf8_lossy(&built.stderr));
    Ok(executable)
}

/// The folder two levels above this program's file. For `target/release/NAME` it is Cargo's target folder. For a
/// benchmark, which is in `target/release/deps`, it is `target/release`.
pub fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("this program's own path")?;
    let profile = program.parent().and_then(Path::parent).context("a program outside a target folder")?;
    Ok(profile.to_path_buf())
}

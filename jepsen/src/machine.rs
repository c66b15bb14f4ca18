//! What a test needs from the machine that it runs on.
//!
//! If something is missing, a test prints `skipped: needs ...` and passes. If the environment variable `CI` is set, the
//! test fails instead, so that a green CI run has run every test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use naxos_benches::servers::tools;

/// The minor version of Go that the pinned servers need at least.
const GO_MINOR_LEAST: u32 = 26;

/// Whether the test may use Go. If not, prints the reason.
///
/// # Panics
/// If `CI` is set and Go is missing.
pub fn has_go() -> bool {
    go_minor().is_some_and(|minor| minor >= GO_MINOR_LEAST) || skipped("Go 1.26")
}

/// Whether the test runs as root. If not, prints the reason.
///
/// # Panics
/// If `CI` is set and the user is not root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root() || skipped("root")
}

/// Whether the machine has this program. If not, prints the reason.
///
/// # Panics
/// If `CI` is set and the machine does not have it.
pub fn has_program(name: &str) -> bool {
    tools::is_there(name) || skipped(name)
}

fn skipped(need: &str) -> bool {
    assert!(std::env::var_os("CI").is_none(), "needs {need}, and CI is set: nothing may be skipped");
    println!("skipped: needs {need}");
    false
}

fn go_minor() -> Option<u32> {
    let answer = Command::new("go").args(["env", "GOVERSION"]).output().ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    text.trim().strip_prefix("go1.")?.split(['.', 'r', 'b', '-', ' ']).next()?.parse().ok()
}

/// The cargo target folder that holds the running executable. If the executable is in no such folder, the folder in
/// `CARGO_TARGET_DIR`, or else `target` in the workspace.
///
/// # Panics
/// If the path of the running executable is unknown.
pub fn target_folder() -> PathBuf {
    let executable = std::env::current_exe().expect("the running executable has a path");
    let tagged = executable.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    if let Some(folder) = tagged {
        return folder.to_owned();
    }
    if let Some(folder) = std::env::var_os("CARGO_TARGET_DIR") {
        return folder.into();
    }
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").join("target")
}

/// A lock for a test that needs the whole machine. Other such tests wait for it, even in other processes.
#[derive(Debug)]
pub struct WholeMachine {
    _lock: File,
}

impl WholeMachine {
    /// Waits until no other heavy test runs.
    ///
    /// # Panics
    /// If the lock file cannot be made or locked.
    pub fn take() -> Self {
        WholeMachine { _lock: locked(&target_folder().join("heavy-test.lock")) }
    }
}

/// Opens and locks the file. The lock is held until the result is dropped.
pub(crate) fn locked(path: &Path) -> File {
    let file = File::create(path).unwrap_or_else(|e| panic!("lock file {}: {e}", path.display()));
    file.lock().unwrap_or_else(|e| panic!("lock {}: {e}", path.display()));
    file
}

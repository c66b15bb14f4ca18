//! [`build`]: the server as its next release would be (`naxos_proto::release`).

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, ensure};

use crate::cargo::cargo;

/// Builds the program `naxos-next`, unless it is built already, and returns where it is. Only the crates of this
/// workspace are compiled for it, and without optimisation, because the test does not measure anything.
///
/// # Errors
/// If it cannot be built.
pub fn build() -> anyhow::Result<PathBuf> {
    let output = cargo()
        .args(["build", "--workspace", "--bin=naxos-next", "--features=naxos/next-release", "--locked", "--offline"])
        .args(["--config=profile.dev.opt-level=0", "--message-format=json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .context("cargo")?;
    ensure!(output.status.success(), "cargo cannot build the next release: {}", output.status);
    let executable = String::from_utf8(output.stdout)?.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_it = message["target"]["name"] == "naxos-next";
        message["executable"].as_str().filter(|_| is_it).map(PathBuf::from)
    });
    executable.context("cargo does not say where naxos-next is")
}

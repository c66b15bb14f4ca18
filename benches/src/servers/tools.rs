//! The system's programs that set up disks and networks, or make syncs slow. They need root.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Checks that this program runs as root and that the system has all of `tools`. `what` is what they are needed for.
pub(crate) fn need(what: &str, tools: &[&str]) -> Result<()> {
    ensure!(rustix::process::geteuid().is_root(), "{what}: needs root");
    let missing: Vec<_> = tools.iter().filter(|tool| !is_there(tool)).copied().collect();
    ensure!(missing.is_empty(), "{what}: needs {}, which this machine does not have", missing.join(", "));
    Ok(())
}

/// Whether the system has this program.
pub fn is_there(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(tool).is_file())
}

/// Runs a program to its end. The error has what it printed.
pub(super) fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let done = Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
    let words = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{program} {}: {}", arguments.join(" "), words.trim());
    Ok(())
}

/// A path as an argument.
pub(super) fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{}: expected a path in UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_named() {
        if !rustix::process::geteuid().is_root() {
            assert_eq!(need("cut", &["ls"]).unwrap_err().to_string(), "cut: needs root");
            return;
        }
        assert!(need("cut", &["ls"]).is_ok());
        let error = need("cut", &["ls", "no-such-tool"]).unwrap_err().to_string();
        assert_eq!(error, "cut: needs no-such-tool, which this machine does not have");
    }
}

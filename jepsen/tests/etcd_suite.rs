//! etcd's own tests `tests/common` (tag `e2e`). They start one or three members, with and without TLS, and use them
//! through etcdctl. `servers/suite/left-out` says what does not run, and why.
#![cfg(test)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use naxos_jepsen::kubernetes::network::Network;
use naxos_jepsen::machine::{self, WholeMachine};
use naxos_jepsen::process::finish;
use naxos_jepsen::servers::Server;

/// The module with the tests.
const MODULE: &str = "go.etcd.io/etcd/tests/v3";
/// At least this many tests and subtests must pass, because a suite that runs nothing must not pass.
const PASSED_MIN: usize = 100;

/// The patterns of what is left out.
fn left_out() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/suite/left-out");
    let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pattern = |line: &str| {
        let (pattern, reason) = line.split_once('\t').unwrap_or_else(|| panic!("{line:?} has no reason"));
        assert!(!reason.trim().is_empty(), "{line:?} has no reason");
        pattern.to_owned()
    };
    lines.map(pattern).collect::<Vec<_>>().join("|")
}

#[test]
fn etcds_own_tests_pass() {
    if !machine::has_go() || !machine::is_root() {
        return;
    }
    let _alone = WholeMachine::take();
    let programs = tempfile::tempdir().expect("a temporary directory");
    let naxos = Path::new(env!("CARGO_BIN_EXE_naxos-jepsen-node"));
    symlink(naxos, programs.path().join("etcd")).expect("a link");
    for tool in [Server::Etcdctl, Server::Etcdutl] {
        let Some(built) = tool.executable() else { return };
        symlink(built, programs.path().join(tool.name())).expect("a link");
    }
    // The suite is built before the test enters its network, from which Go's module proxy cannot be reached.
    let Some(suite) = Server::EtcdSuite.executable() else { return };
    let folder = Server::EtcdSuite.module_folder(MODULE).join("common");
    // The ports of the suite are fixed.
    let _network = Network::enter();
    let mut command = Command::new(suite);
    command.current_dir(folder).args(["-test.v", "-test.timeout=20m", "-test.skip", &left_out()]);
    command.arg("-bin-dir").arg(programs.path());
    let ended = finish(command, "");
    let named = |verdict: &str| -> Vec<&str> {
        ended.stdout.lines().filter_map(|line| line.trim_start().strip_prefix(verdict)).collect()
    };
    let (passed, failed) = (named("--- PASS: "), named("--- FAIL: "));
    let log = machine::target_folder().join("etcd-suite.log");
    fs::write(&log, format!("{}{}", ended.stdout, ended.stderr)).expect("a log");
    assert!(failed.is_empty() && ended.success, "these tests fail, see {}: {failed:#?}", log.display());
    assert!(passed.len() >= PASSED_MIN, "only {} tests have run, see {}", passed.len(), log.display());
}

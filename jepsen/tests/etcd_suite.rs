//! etcd's own tests `tests/common` (tag `e2e`). They start one or three members, with and without TLS, and use them
//! through etcdctl. `servers/suite/left-out` says what does not run, and why.
#![cfg(test)]

use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use naxos_jepsen::kubernetes::network::Network;
use naxos_jepsen::machine::{self, WholeMachine};
use naxos_jepsen::process::{Ended, finish};
use naxos_jepsen::servers::Server;
use parking_lot::Mutex;

/// The module with the tests.
const MODULE: &str = "go.etcd.io/etcd/tests/v3";
/// At least this many tests and subtests must pass, because a suite that runs nothing must not pass.
const PASSED_MIN: usize = 150;
/// The tests that take longest, and a subtest of each that takes about half of its time.
const LONGEST: [(&str, &str); 2] = [("TestMemberRemove", "StrictReconfigCheck"), ("TestMemberAdd", "Learner")];
/// How many tests run at the same time, each with members of its own. Most of the time a test waits.
const AT_ONCE: usize = 3;

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

/// A part of the suite, chosen by patterns as `go test` reads them.
struct Share {
    /// The tests that run.
    run: String,
    /// Those of them that do not run.
    skip: Option<String>,
}

/// Divides the suite. Each test is a share, but those in [`LONGEST`] are two: one subtest, and all others. The shares of the
/// longest tests come first, so that none of them runs alone at the end.
fn shares(suite: &Path, folder: &Path) -> VecDeque<Share> {
    let mut command = Command::new(suite);
    command.current_dir(folder).args(["-test.list", "^Test"]);
    let listed = finish(command, "");
    assert!(listed.success, "{}{}", listed.stdout, listed.stderr);
    let mut shares = VecDeque::new();
    for name in listed.stdout.lines().filter(|line| line.starts_with("Test")) {
        let whole = format!("^{name}$");
        match LONGEST.iter().find(|(long, _)| *long == name) {
            Some((_, subtest)) => {
                let part = format!("{whole}/^{subtest}$");
                shares.push_front(Share { run: part.clone(), skip: None });
                shares.push_front(Share { run: whole, skip: Some(part) });
            }
            None => shares.push_back(Share { run: whole, skip: None }),
        }
    }
    shares
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
    // The suite is built before a test enters a network, from which Go's module proxy cannot be reached.
    let Some(suite) = Server::EtcdSuite.executable() else { return };
    let folder = Server::EtcdSuite.module_folder(MODULE).join("common");
    let left_out = left_out();
    let run = |Share { run, skip }: Share| {
        let skip = skip.map_or_else(|| left_out.clone(), |part| format!("{left_out}|{part}"));
        let mut command = Command::new(&suite);
        command.current_dir(&folder).args(["-test.v", "-test.timeout=20m"]);
        command.args(["-test.run", &run, "-test.skip", &skip]).arg("-bin-dir").arg(programs.path());
        finish(command, "")
    };
    let shares = Mutex::new(shares(&suite, &folder));
    let next = || shares.lock().pop_front();
    let all: Vec<Ended> = std::thread::scope(|scope| {
        let worker = || {
            // The ports of the suite are fixed.
            let _network = Network::enter();
            std::iter::from_fn(next).map(run).collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    let said = |ended: &Ended| format!("{}{}", ended.stdout, ended.stderr);
    let log = machine::target_folder().join("etcd-suite.log");
    fs::write(&log, all.iter().map(said).collect::<String>()).expect("a log");
    let named = |verdict: &str| -> Vec<&str> {
        let lines = all.iter().flat_map(|ended| ended.stdout.lines());
        lines.filter_map(|line| line.trim_start().strip_prefix(verdict)).collect()
    };
    let (passed, failed) = (named("--- PASS: "), named("--- FAIL: "));
    let success = all.iter().all(|ended| ended.success);
    assert!(failed.is_empty() && success, "these tests fail, see {}: {failed:#?}", log.display());
    assert!(passed.len() >= PASSED_MIN, "only {} tests have run, see {}", passed.len(), log.display());
}

//! Runs the commands of the README: the tour as a reader would type it, and the example of the library as the tests build
//! it. The release build is not run, because it takes longer than all tests together.
#![cfg(test)]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use naxos_jepsen::cargo::cargo;
use naxos_jepsen::kubernetes::network::Network;
use naxos_jepsen::machine::{self, WholeMachine};
use naxos_jepsen::servers::Server;

const README: &str = include_str!("../../README.md");

/// The commands in the `sh` blocks of the README's section `heading`.
fn commands(heading: &str) -> String {
    let begin = README.find(heading).expect("the README has the section") + heading.len();
    let section = README[begin..].split("\n## ").next().expect("a split has a first part");
    let mut commands = String::new();
    let mut is_inside = false;
    for line in section.lines().map(str::trim) {
        match (is_inside, line) {
            (false, "```sh") => is_inside = true,
            (true, "```") => is_inside = false,
            (true, command) => commands.extend([command, "\n"]),
            _ => {}
        }
    }
    commands
}

#[test]
fn the_tour_of_the_readme_runs() {
    let commands = commands("## A tour of five minutes");
    assert!(commands.lines().count() > 20, "the tour was not found: {commands}");
    // The tour uses the default ports, so it gets its own network.
    if !machine::is_root() {
        return;
    }
    let mut programs = Vec::new();
    for server in [Server::Etcdctl, Server::KubeApiserver, Server::Kubectl] {
        let Some(executable) = server.executable() else { return };
        programs.push((server.name(), executable));
    }
    programs.push(("naxos", env!("CARGO_BIN_EXE_naxos-jepsen-node").into()));
    let _alone = WholeMachine::take();
    let _network = Network::enter();
    let folder = tempfile::tempdir().expect("a folder for the programs");
    for (name, executable) in &programs {
        symlink(executable, folder.path().join(name)).expect("a link");
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        // When the shell ends, it kills what a command left running.
        .args(["-c", &format!("set -euo pipefail\ntrap 'kill -9 $(jobs -p) 2>/dev/null || true' EXIT\n{commands}")])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", folder.path().display()))
        .output()
        .expect("bash runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    for expected in ["greeting\nhello", "configmap/before created", "configmap/after created"] {
        assert!(said.contains(expected), "expected {expected:?}: {said}\n{complained}");
    }
    assert!(!Path::new(folder.path()).join("naxos-tour").exists(), "the last step removes the folder");
}

#[test]
fn the_example_of_the_readme_runs() {
    let commands = commands("## In a Rust program");
    // For one package alone, cargo chooses other features of the dependencies, and compiles all of them once more. So the
    // example is built like the tests. `cargo test --workspace` has done that already.
    let words: Vec<&str> = commands.split_whitespace().collect();
    let ["cargo", "run", "-p", "naxos-client", "--example", example] = words[..] else {
        panic!("the example was not found: {commands}")
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    assert!(root.join(format!("client/examples/{example}.rs")).is_file(), "naxos-client has no example {example}");
    let mut build = cargo();
    build.args(["build", "--workspace", "--example", example, "--locked", "--offline"]).current_dir(root);
    let built = build.output().expect("cargo runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let program = machine::target_folder().join("debug/examples").join(example);
    let output = Command::new(program).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("the chain has 2 segments"), "{said}");
}

//! Checks that the commands that measure clusters work: each runs once, for as short a time as possible. Whether the
//! figures are good is not judged here.
#![cfg(test)]

use std::path::Path;

use naxos_jepsen::machine::{self, WholeMachine};
use naxos_jepsen::servers::Server;
use serde_json::Value;

/// Runs a command of `naxos-benches` on real processes of this package, and returns what it measured.
fn measured(words: &str) -> Value {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let json = folder.path().join("figures.json");
    let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let program = env!("CARGO_BIN_EXE_naxos-jepsen-node").to_owned();
    let mut line: Vec<String> = ["naxos-benches"].into_iter().chain(words.split(' ')).map(str::to_owned).collect();
    line.extend(["--naxos".to_owned(), program, "--data".to_owned(), text(folder.path())]);
    line.extend(["--json".to_owned(), text(&json)]);
    // The result says whether a limit was missed. It is ignored, because it means little for a debug build among tests.
    let _ = naxos_benches::cli::run(&line).unwrap_or_else(|error| panic!("{words}: {error:?}"));
    serde_json::from_slice(&std::fs::read(json).expect("figures")).expect("figures are JSON")
}

/// How often `text` is the value of the field `name` of these objects.
fn count(objects: &Value, name: &str, text: &str) -> usize {
    objects.as_array().expect("an array").iter().filter(|object| object[name] == text).count()
}

#[test]
fn a_cluster_is_compared_with_a_cluster_of_etcd() {
    let Some(etcd) = Server::Etcd.executable() else { return };
    let _alone = WholeMachine::take();
    let rows = "put-64,get-64-follower-2,watch-100";
    let short = "--quick --duration 300ms --warm-up 100ms";
    let found = measured(&format!("compare --nodes 3 --rows {rows} {short} --etcd {}", etcd.display()));
    for row in found["rows"].as_array().expect("rows") {
        assert_eq!((count(&row["servers"], "candidate", "naxos"), count(&row["servers"], "candidate", "etcd")), (1, 1));
        for server in row["servers"].as_array().expect("servers") {
            let median = &server["median"];
            assert!(median["per_second"].as_f64() > Some(0.0) && median["errors"] == 0, "{server}");
        }
    }
    assert_eq!(count(&found["verdicts"], "figure", "throughput"), 3, "{found}");
}

#[test]
fn gaps_are_measured() {
    let _alone = WholeMachine::take();
    let mut kinds = vec!["kill", "stop", "term"];
    if machine::is_root() && ["ip", "mkfs.ext4", "fsfreeze"].into_iter().all(machine::has_program) {
        kinds.extend(["freeze", "cut", "deaf"]);
    }
    let found = measured(&format!("gap --tries 1 --away 500ms --kinds {}", kinds.join(",")));
    for kind in kinds {
        assert_eq!(count(&found, "kind", kind), 1, "{found}");
    }
    for outcome in found.as_array().expect("outcomes") {
        let gap = outcome["tries"][0]["worst_client_ms"].as_f64().expect("a gap");
        // A member that is away makes a gap of at least some milliseconds. A gap of 20 s would mean that some client
        // did not write again before the try stopped waiting for it.
        assert!(gap > 1.0 && gap < 20_000.0, "{outcome}");
    }
}

#[test]
fn slow_disks_are_measured() {
    if !machine::is_root() || !machine::has_program("strace") {
        return;
    }
    let _alone = WholeMachine::take();
    let found = measured("slow-disk --delays 20ms --windows 1 --window 1s --rate 500");
    assert_eq!((count(&found, "role", "leader"), count(&found, "role", "follower")), (1, 1), "{found}");
    for outcome in found.as_array().expect("outcomes") {
        assert_eq!(outcome["slow"][0]["errors"], 0, "{outcome}");
    }
}

#[test]
fn distance_is_measured() {
    let _alone = WholeMachine::take();
    let found = measured("proxy --round-trip 20ms --duration 500ms");
    let outcomes = found.as_array().expect("outcomes");
    assert_eq!(outcomes.len(), 3, "{found}");
    for outcome in outcomes {
        assert!(outcome["measured"]["p50_us"].as_u64() > Some(20_000), "faster than the network: {outcome}");
    }
}

#[test]
fn planned_reconfigurations_are_measured() {
    let _alone = WholeMachine::take();
    let found = measured("reconfigure --times 3 --every 100ms");
    assert_eq!(found["pauses"].as_array().map(Vec::len), Some(3), "{found}");
    assert_eq!(found["errors"], 0, "{found}");
}

#[test]
fn a_lost_disk_is_measured() {
    let _alone = WholeMachine::take();
    let found = measured("wipe --state-mib 8 --window 500ms");
    assert!(found["back_after_seconds"].as_f64() > Some(0.0), "{found}");
    assert_ne!(found["meanwhile"].as_array().map(Vec::len), Some(0), "{found}");
}

#[test]
fn rolling_restarts_are_measured() {
    let _alone = WholeMachine::take();
    let found = measured("rolling-restart --rounds 1 --away 100ms");
    assert_eq!(found[0]["restarts"], 3, "{found}");
}

//! The layers and their directions: which crate may depend on which (DESIGN section 2).
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    BTreeMap::from([
        ("naxos-proto", BTreeSet::new()),
        ("naxos-log-server", BTreeSet::from(["naxos-proto"])),
        ("naxos-sequencer", BTreeSet::from(["naxos-proto"])),
        ("naxos-client", BTreeSet::from(["naxos-proto"])),
        ("naxos-engines", BTreeSet::from(["naxos-proto", "naxos-client"])),
        (
            "naxos",
            BTreeSet::from(["naxos-proto", "naxos-client", "naxos-engines", "naxos-log-server", "naxos-sequencer"]),
        ),
    ])
}

#[test]
fn crates_depend_only_downwards() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo answers");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages are listed");
    let mut seen = 0;
    for package in packages {
        let name = package["name"].as_str().expect("a package has a name");
        let Some(allowed) = allowed().remove(name) else { continue };
        seen += 1;
        for dependency in package["dependencies"].as_array().expect("dependencies are listed") {
            let on = dependency["name"].as_str().expect("a dependency has a name");
            if on.starts_with("naxos") && dependency["kind"].as_str() != Some("dev") {
                assert!(allowed.contains(on), "{name} must not depend on {on}");
            }
        }
    }
    assert_eq!(seen, allowed().len(), "every crate of the house was looked at");
}

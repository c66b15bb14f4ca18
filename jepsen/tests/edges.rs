//! The dependencies between layers: which crate may depend on which (`docs/design.md`, section 2), and which module of
//! a crate may import which.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
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

/// The modules of each crate, and the submodules of a large module, from the lowest floor up. A module may import only
/// from floors below its own. The first text is the crate's folder, or `folder/module` for the submodules of a module.
const FLOORS: &[(&str, &[&str])] = &[
    (
        "proto",
        &[
            "ids",
            "codec",
            "splitmix",
            "completion",
            "tail",
            "chain",
            "native_params",
            "etcd",
            "control",
            "contracts",
            "seams",
            "suite",
        ],
    ),
    (
        "log-server",
        &[
            "open_error",
            "config",
            "disk",
            "unit",
            "journal",
            "data_dir",
            "serve",
            "commit",
            "storage_unit",
            "server",
            "meta",
        ],
    ),
    (
        "client",
        &["loglet", "shared_log", "memory_meta", "loglets", "append_gate", "reconfigure", "virtual_log", "suite"],
    ),
    ("sequencer", &["core", "served", "fanout"]),
    (
        "engines",
        &[
            "entry",
            "local_store",
            "engine",
            "reply_port",
            "read_gate",
            "base",
            "view_tracking",
            "session",
            "batching",
            "stack",
        ],
    ),
    (
        "etcd-shim",
        &[
            "version", "os_text", "config", "logging", "metrics", "tls", "state", "port", "watch", "backend",
            "services", "http", "node", "ctl", "cli",
        ],
    ),
    (
        "etcd-shim/state",
        &["error", "effects", "answer", "index", "lease", "command", "rows", "store", "rebuild", "kv", "apply"],
    ),
    (
        "jepsen",
        &[
            "machine",
            "pace",
            "process",
            "servers",
            "etcd_server",
            "etcdctl",
            "kubernetes",
            "differential",
            "kill_loop",
            "model",
            "simulator",
            "bin",
        ],
    ),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.expect("a folder can be read to its end").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// The names that follow `prefix` in a text.
fn imports<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(prefix).skip(1).filter_map(|rest| {
        let name = rest.split(|c: char| !c.is_ascii_lowercase() && c != '_').next()?;
        (!name.is_empty()).then_some(name)
    })
}

#[test]
fn modules_import_only_from_the_floors_below() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut wrong = Vec::new();
    for (place, floors) in FLOORS {
        let floor = |module: &str| floors.iter().position(|m| *m == module);
        let (package, room) = place.split_once('/').unwrap_or((place, ""));
        let folder = root.join(package).join("src").join(room);
        let prefix = if room.is_empty() { "crate::".to_owned() } else { format!("crate::{room}::") };
        for file in sources(&folder) {
            let inside = file.strip_prefix(&folder).expect("found in it");
            let module = inside.iter().next().expect("a file has a name").to_string_lossy();
            let module = module.trim_end_matches(".rs");
            if ["lib", "main", "mod"].contains(&module) {
                continue;
            }
            let own = floor(module).unwrap_or_else(|| panic!("{place}: module {module} has no floor yet"));
            let text = std::fs::read_to_string(&file).expect("a source can be read");
            // Unit tests may import from higher floors.
            let production = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(&text);
            // In a file directly in the folder, `super` stands for the folder. In a file of a subfolder it stands for
            // that subfolder, so only the full path counts there.
            let beside = if inside.iter().count() == 1 { "super::" } else { &prefix };
            let named = imports(production, &prefix).chain(imports(production, beside));
            let above: BTreeSet<_> = named.filter(|name| floor(name).is_some_and(|floor| floor > own)).collect();
            wrong.extend(above.into_iter().map(|name| format!("{place}: {} imports {name}", inside.display())));
        }
    }
    assert!(wrong.is_empty(), "imports from a higher floor: {wrong:#?}");
}

/// A program that embeds the log or the engines must not have to compile etcd's API, gRPC or the simulator.
#[test]
fn the_engines_need_no_grpc_and_no_simulator() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--package=naxos-engines", "--edges=normal,build", "--prefix=none", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo answers");
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(tree.contains("naxos-client"), "{tree}\n{}", String::from_utf8_lossy(&output.stderr));
    for unwanted in ["tonic", "prost", "protox", "hyper", "turmoil"] {
        assert!(!tree.lines().any(|line| line.starts_with(unwanted)), "{unwanted} is needed: {tree}");
    }
}

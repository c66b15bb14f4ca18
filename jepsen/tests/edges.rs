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
    assert_eq!(seen, allowed().len(), "cargo does not list every crate of the table");
}

/// The modules of each crate except `benches` and `jepsen/sim`, and the submodules of a large module, from the lowest
/// floor (layer) up. A module may import only from floors below its own. The first text is the crate's folder, or
/// `folder/module` for the submodules of a module.
const FLOORS: &[(&str, &[&str])] = &[
    (
        "proto",
        &[
            "ids",
            "codec",
            "splitmix",
            "streams",
            "completion",
            "tail",
            "release",
            "chain",
            "native_params",
            "corfu_params",
            "loglet_roles",
            "unit_change",
            "fitting_codec",
            "etcd",
            "control",
            "contracts",
            "seams",
            "role",
            "peer",
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
            "founding",
            "serve",
            "found_cells",
            "commit",
            "storage_unit",
            "server",
            "meta",
        ],
    ),
    (
        "client",
        &[
            "loglet",
            "shared_log",
            "streams",
            "memory_meta",
            "loglets",
            "append_gate",
            "reconfigure",
            "virtual_log",
            "failure",
            "suite",
        ],
    ),
    (
        "sequencer",
        &[
            "answer",
            "granted",
            "in_flight_max",
            "grants",
            "lane",
            "late_refusals",
            "served",
            "stream_table",
            "tokens",
            "fanout_state",
            "fanout",
            "local_sequencer",
        ],
    ),
    (
        "engines",
        &[
            "waiters",
            "entry",
            "local_store",
            "engine",
            "reply_port",
            "read_gate",
            "base",
            "view_tracking",
            "session",
            "compression",
            "batching",
            "observer",
            "stack",
            "objects",
            "snapshots",
        ],
    ),
    (
        "etcd-shim",
        &[
            "version",
            "os_text",
            "production",
            "bolt",
            "config",
            "logging",
            "metrics",
            "tls",
            "state",
            "backup",
            "port",
            "watch",
            "backend",
            "services",
            "http",
            "node",
            "embed",
            "ctl",
            "cli",
        ],
    ),
    (
        "etcd-shim/state",
        &[
            "error",
            "effects",
            "index",
            "lease",
            "rows",
            "own",
            "answer",
            "versions",
            "command",
            "command_cost",
            "seats",
            "store",
            "kept",
            "rebuild",
            "kv",
            "apply",
        ],
    ),
    (
        "jepsen",
        &[
            "cargo",
            "machine",
            "next_release",
            "pace",
            "process",
            "servers",
            "etcd_server",
            "etcdctl",
            "differential",
            "kubernetes",
            "kill_loop",
            "cluster",
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

/// The path at the beginning of `text`, cut to its first two names. `a::{b, c::d}` is two paths: `a::b` and `a::c`.
fn paths(text: &str) -> Vec<Vec<String>> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if let Some(inside) = rest.strip_prefix('{').filter(|_| name.is_empty()) {
        let (mut depth, mut from, mut found) = (0_usize, 0, Vec::new());
        for (at, c) in inside.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    found.extend(paths(inside[from..at].trim_start()));
                    from = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
        return found;
    }
    if name.is_empty() || name == "self" {
        return vec![Vec::new()];
    }
    let later = rest.strip_prefix("::").map_or_else(|| vec![Vec::new()], paths);
    later.into_iter().map(|path| [name.to_owned()].into_iter().chain(path).take(2).collect()).collect()
}

/// The modules that a source names by `crate::` or `super::`, each as its first two names from the crate's root on.
/// `module` is the source's own module.
fn imports(text: &str, module: &[String]) -> Vec<Vec<String>> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for (at, prefix) in code.match_indices("crate::") {
        found.extend(paths(&code[at + prefix.len()..]));
    }
    for (at, _) in code.match_indices("super::").filter(|(at, _)| !code[..*at].ends_with("super::")) {
        let (mut rest, mut base) = (&code[at..], module.to_vec());
        while let Some(after) = rest.strip_prefix("super::") {
            rest = after;
            base.pop();
        }
        let from_root = |path: Vec<String>| base.iter().cloned().chain(path).take(2).collect();
        found.extend(paths(rest).into_iter().map(from_root));
    }
    found
}

#[test]
fn every_way_to_write_an_import_is_seen() {
    let module = ["watch".to_owned(), "hub".to_owned()];
    for text in [
        "use crate::services::Desk;",
        "use crate::{config, services::Desk};",
        "use crate::{\n    config::{Config, tls},\n    services::{Desk, Method},\n};",
        "use super::super::services::Desk;",
        "use super::super::{services::Desk};",
        "let desk = crate::services::Desk::new();",
    ] {
        let found = imports(text, &module);
        assert!(found.iter().any(|path| path.first().is_some_and(|name| name == "services")), "{text}: {found:?}");
    }
    assert_eq!(imports("use super::ring::Ring;", &module), [["watch", "ring"]]);
    assert_eq!(imports("use crate::state::{kv::range, apply};", &module), [["state", "kv"], ["state", "apply"]]);
    assert!(imports("// crate::services\n", &module).is_empty());
}

#[test]
fn modules_import_only_from_the_floors_below() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut wrong = Vec::new();
    for (place, floors) in FLOORS {
        let floor = |module: &str| floors.iter().position(|m| *m == module);
        let (package, room) = place.split_once('/').unwrap_or((place, ""));
        let source = root.join(package).join("src");
        for file in sources(&source.join(room)) {
            let inside = file.strip_prefix(&source).expect("found in it").with_extension("");
            let mut module: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if module.last().is_some_and(|last| ["lib", "main", "mod"].contains(&last.as_str())) {
                module.pop();
            }
            // The index in a path at which this place's modules are named.
            let at = usize::from(!room.is_empty());
            let Some(own) = module.get(at) else { continue };
            let own = floor(own).unwrap_or_else(|| panic!("{place}: module {own} has no floor yet"));
            let text = std::fs::read_to_string(&file).expect("a source can be read");
            // Tests may look at what is built on the module.
            let production = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(&text);
            let named = imports(production, &module);
            let names = named.iter().filter(|path| at == 0 || path.first().is_some_and(|first| first == room));
            let names: BTreeSet<&String> = names.filter_map(|path| path.get(at)).collect();
            let above = names.into_iter().filter(|name| floor(name).is_some_and(|floor| floor > own));
            wrong.extend(above.map(|name| format!("{package}/{} imports {name}", inside.display())));
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

//! Each file and folder that the documents name must be in the tree, and each message between nodes in the documents.
#![cfg(test)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// A word with one of these endings is taken for the path of a file in the tree.
const KINDS: &[&str] = &[".rs", ".go", ".md", ".proto", ".toml", ".yml"];

/// The paths of the files that git tracks, and all names by which a document may refer to one of them or to its folder:
/// the path itself, or only its last parts, as in `kv/range.rs`.
fn names(root: &Path) -> (Vec<String>, BTreeSet<String>) {
    let output = Command::new("git").arg("ls-files").current_dir(root).output().expect("git answers");
    let files: Vec<_> = String::from_utf8(output.stdout).expect("paths are text").lines().map(str::to_owned).collect();
    let mut names = BTreeSet::new();
    for file in &files {
        for whole in Path::new(file).ancestors() {
            let parts: Vec<_> = whole.iter().map(|part| part.to_string_lossy()).collect();
            names.extend((0..parts.len()).map(|from| parts[from..].join("/")));
        }
    }
    (files, names)
}

/// Whether a word between backticks is meant to be a path in the tree: `state/kv/range.rs`, but not `<name>.rs`.
fn is_a_path(word: &str, folders: &[&str]) -> bool {
    let begins_in_a_crate = word.split_once('/').is_some_and(|(first, _)| folders.contains(&first));
    let is_a_pattern = word.contains(['<', '*', ' ']);
    !is_a_pattern && (begins_in_a_crate || KINDS.iter().any(|kind| word.ends_with(kind)))
}

#[test]
fn every_path_in_the_documents_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let (files, names) = names(root);
    let folders: Vec<_> = files.iter().filter_map(|f| f.split_once('/')).map(|(first, _)| first).collect();
    let (mut seen, mut wrong) = (0, Vec::new());
    for document in files.iter().filter(|f| f.ends_with(".md")) {
        let text = std::fs::read_to_string(root.join(document)).expect("a document can be read");
        for (line, number) in text.lines().zip(1..) {
            for word in line.split('`').skip(1).step_by(2) {
                let path = word.trim_start_matches("../").trim_start_matches("./").trim_end_matches('/');
                if is_a_path(path, &folders) {
                    seen += 1;
                    if !names.contains(path) {
                        wrong.push(format!("{document}:{number} {word}"));
                    }
                }
            }
        }
    }
    assert!(seen > 100, "only {seen} paths were found");
    assert!(wrong.is_empty(), "not in the tree: {wrong:#?}");
}

/// The messages of a .proto file, each with the numbers of its fields.
fn messages(proto: &str) -> Vec<(&str, Vec<&str>)> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut is_message = false;
    for line in proto.lines() {
        if !line.starts_with([' ', '}', '/']) {
            is_message = line.starts_with("message ");
            found.extend(line.split_whitespace().nth(1).filter(|_| is_message).map(|name| (name, Vec::new())));
        }
        let code = line.split("//").next().unwrap_or_default();
        if let (true, Some((_, number)), Some((_, fields))) = (is_message, code.split_once(" = "), found.last_mut()) {
            fields.push(number.trim().trim_end_matches(';'));
        }
    }
    found
}

#[test]
fn each_message_between_nodes_has_its_row_with_all_fields() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("it can be read");
    let (proto, formats) = (read("proto/proto/naxos/peer.proto"), read("docs/formats.md"));
    let messages = messages(&proto);
    assert!(messages.len() > 50, "only {} messages were found", messages.len());
    let mut missing = Vec::new();
    for (name, fields) in messages {
        let row = formats.lines().filter_map(|line| line.strip_prefix(&format!("| {name} | "))).collect::<String>();
        let words: Vec<&str> = row.split(|c: char| !c.is_alphanumeric()).collect();
        missing.extend(
            fields.into_iter().filter(|number| !words.contains(number)).map(|number| format!("{name} {number}")),
        );
    }
    assert!(missing.is_empty(), "docs/formats.md has no row with these fields: {missing:?}");
}

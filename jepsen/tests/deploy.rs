//! The files of `deploy/`: the server knows every variable, and kubeadm accepts its configurations.
#![cfg(test)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use naxos::config::{Note, Program, ServerConfig, join, load};
use naxos::version;
use naxos_jepsen::process::finish;
use naxos_jepsen::servers::Server;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("deploy").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The variables in the lines that begin with `prefix`.
fn variables(name: &str, prefix: &str) -> BTreeMap<String, String> {
    let text = text(name);
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.strip_prefix(prefix));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The configuration that the variables make. Each of them must be known and have an effect.
fn loaded(variables: &BTreeMap<String, String>) -> ServerConfig {
    let loaded = load(Program::Naxos, &[], variables).unwrap_or_else(|e| panic!("{variables:?}: {e}"));
    let is_in_vain = |note: &&Note| matches!(**note, Note::VariableUnknown(_) | Note::Ignored { .. });
    let in_vain: Vec<_> = loaded.notes.iter().filter(is_in_vain).collect();
    assert!(in_vain.is_empty(), "{in_vain:?}");
    loaded.config
}

#[test]
fn the_systemd_service_starts_one_node_or_with_the_example_file_one_of_three_members() {
    let mut variables_of_both = variables("naxos.service", "Environment=");
    let alone = loaded(&variables_of_both);
    assert_eq!((alone.cluster.members.len(), alone.data_dir.to_str()), (1, Some("/var/lib/naxos")));
    assert!(text("naxos.service").contains("\nEnvironmentFile=-/etc/naxos/naxos.env\n"), "the file may be missing");

    variables_of_both.extend(variables("naxos-member.env", ""));
    let member = loaded(&variables_of_both);
    assert_eq!(member.cluster.refusal, None);
    assert_eq!(member.cluster.members.len(), 3);
    assert_eq!(join(&member.cluster.members[&member.name]), join(&member.listen_peer_urls));
    assert_eq!(member.data_dir, alone.data_dir);
    for tls in [&member.client_tls, &member.peer_tls] {
        assert!(tls.cert.is_some() && tls.key.is_some() && tls.trusted_ca.is_some() && tls.client_cert_auth);
    }
    assert_ne!(member.client_tls.trusted_ca, member.peer_tls.trusted_ca, "no client may pass for a member");
}

#[test]
fn the_image_has_the_tag_that_kubeadm_is_told() {
    let tag = format!("{}-naxos.1", version::ETCD);
    for (file, wanted) in [
        ("kubeadm-stacked.yaml", format!("    imageTag: {tag}\n")),
        ("Containerfile", format!("-t example.org/naxos/etcd:{tag} .\n")),
    ] {
        assert!(text(file).contains(&wanted), "{file} lacks {wanted:?}");
    }
}

/// Tests nothing if Go is missing.
#[test]
fn kubeadm_accepts_the_configurations() {
    let Some(kubeadm) = Server::Kubeadm.executable() else { return };
    for name in ["kubeadm-external.yaml", "kubeadm-stacked.yaml"] {
        let mut command = Command::new(&kubeadm);
        command.args(["config", "validate", "--config"]).arg(path(name));
        let ended = finish(command, "");
        assert!(ended.success, "{name}: {}{}", ended.stdout, ended.stderr);
    }
}

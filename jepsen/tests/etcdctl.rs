//! etcdctl must print the same for Naxos as for etcd.
#![cfg(test)]

use std::path::Path;

use naxos_jepsen::etcd_server::EtcdServer;
use naxos_jepsen::etcdctl::Session;
use naxos_jepsen::servers::Server;

fn prints_the_same(etcdctl: &Path, reference: &Path, subject: &Path) {
    let servers = [EtcdServer::start(reference, &[]), EtcdServer::start(subject, &[])];
    let [theirs, ours] = servers.each_ref().map(|server| {
        let mut session = Session::new(etcdctl, server);
        session.plays_a_day();
        session
    });
    assert_eq!(theirs.transcript().len(), ours.transcript().len());
    let pairs = theirs.transcript().iter().zip(ours.transcript());
    let differences: Vec<_> = pairs.filter(|(their, our)| their != our).collect();
    for (their, our) in &differences {
        println!("--- etcd\n{their}\n--- subject\n{our}\n");
    }
    assert!(differences.is_empty(), "{} commands print something else", differences.len());
}

/// If this fails, the test is wrong: it compares something that differs from server to server.
#[test]
fn etcdctl_prints_against_one_etcd_what_it_prints_against_another() {
    let (Some(etcd), Some(etcdctl)) = (Server::Etcd.executable(), Server::Etcdctl.executable()) else { return };
    prints_the_same(&etcdctl, &etcd, &etcd);
}

#[test]
fn etcdctl_prints_against_naxos_what_it_prints_against_etcd() {
    let (Some(etcd), Some(etcdctl)) = (Server::Etcd.executable(), Server::Etcdctl.executable()) else { return };
    prints_the_same(&etcdctl, &etcd, Path::new(env!("CARGO_BIN_EXE_naxos-jepsen-node")));
}

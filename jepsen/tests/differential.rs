//! Sends the same random requests to Naxos and to a real etcd. The answers must be equal.
#![cfg(test)]

use std::path::Path;

use naxos_jepsen::differential::compared_server::ServerKind;
use naxos_jepsen::differential::dice::seed_of_this_run;
use naxos_jepsen::differential::run::{Summary, compare};
use naxos_jepsen::etcd_server::EtcdServer;
use naxos_jepsen::servers::Server;

/// Makes the servers notify watchers of progress so often that a run receives such notifications.
const FLAGS: [&str; 1] = ["--watch-progress-notify-interval=1s"];
/// Number of requests of one run against Naxos and etcd.
const REQUESTS: u64 = 20_000;
/// Number of requests when etcd is compared with itself: enough for every kind of request to meet every other kind.
const DRIVER_REQUESTS: u64 = 2_000;

fn requests(default: u64) -> u64 {
    std::env::var("NAXOS_REQUESTS").map_or(default, |text| text.parse().expect("NAXOS_REQUESTS is a number"))
}

fn compared(reference: &Path, (kind, subject): (ServerKind, &Path), requests: u64) -> Summary {
    let seed = seed_of_this_run();
    println!("NAXOS_SEED={seed}");
    let (reference, subject) = (EtcdServer::start(reference, &FLAGS), EtcdServer::start(subject, &FLAGS));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(compare(reference.client_url(), (kind, subject.client_url()), seed, requests)) {
        Ok(summary) => {
            println!("{summary:?}");
            summary
        }
        Err(difference) => {
            let died = [reference.log().matching("panic"), subject.log().matching("panic")].concat().join("\n");
            panic!("{difference:?}\n\nlog of the subject:\n{}\n{died}", subject.log().tail())
        }
    }
}

/// If this fails, the driver is wrong: it compares something that etcd does not specify.
#[test]
fn the_driver_finds_etcd_equal_to_itself() {
    let Some(etcd) = Server::Etcd.executable() else { return };
    let summary = compared(&etcd, (ServerKind::Etcd, &etcd), requests(DRIVER_REQUESTS));
    assert!(summary.requests >= DRIVER_REQUESTS && summary.watchers > 10 && summary.refused > 50, "{summary:?}");
}

#[test]
fn naxos_answers_what_etcd_answers() {
    let Some(etcd) = Server::Etcd.executable() else { return };
    let naxos = Path::new(env!("CARGO_BIN_EXE_naxos-jepsen-node"));
    let summary = compared(&etcd, (ServerKind::Naxos, naxos), requests(REQUESTS));
    assert!(summary.watchers > 10 && summary.refused > 50, "{summary:?}");
}

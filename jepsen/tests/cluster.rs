//! Several real processes are one etcd, whatever happens to some of them while clients write and watch.
#![cfg(test)]

use std::time::Duration;

use naxos_benches::cluster::kind::Kind;
use naxos_jepsen::cluster::{
    away, compacted_txn, forced, grown, hung, kept_lease, kinds, leaderless, mixed, recovered, two_of_five_wiped,
    upgraded, wiped, woken,
};
use naxos_jepsen::differential::dice::Dice;
use naxos_jepsen::machine::{self, WholeMachine};
use naxos_jepsen::next_release;

/// Faults, one after the other. They take about two minutes.
const ROUNDS: u32 = 16;

#[test]
fn three_members_lose_nothing_while_one_after_the_other_is_hit_by_a_fault() {
    let _alone = WholeMachine::take();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut kinds = vec![Kind::Kill, Kind::Stop, Kind::Term, Kind::Move];
    if machine::is_root() && ["ip", "mkfs.ext4", "fsfreeze"].into_iter().all(machine::has_program) {
        kinds.extend([Kind::Freeze, Kind::Cut, Kind::Deaf]);
    }
    let plan = mixed::Plan {
        program: env!("CARGO_BIN_EXE_naxos-jepsen-node").into(),
        folder: folder.path().to_owned(),
        members: 3,
        rounds: ROUNDS,
        limit: Duration::from_secs(600),
        writers: 8,
        rest: Duration::ZERO,
        kinds,
        seed: Dice::seed_of_this_run(),
    };
    let rounds = mixed::run(&plan).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(rounds.len(), ROUNDS as usize);
}

#[test]
fn a_member_that_was_away_for_too_long_comes_back_by_a_snapshot() {
    let _alone = WholeMachine::take();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let program = env!("CARGO_BIN_EXE_naxos-jepsen-node");
    away(program.as_ref(), folder.path()).unwrap_or_else(|error| panic!("{error:?}"));
}

#[test]
fn members_that_lose_their_disks_one_after_the_other_come_back() {
    let _alone = WholeMachine::take();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let program = env!("CARGO_BIN_EXE_naxos-jepsen-node");
    wiped(program.as_ref(), folder.path()).unwrap_or_else(|error| panic!("{error:?}"));
}

#[test]
fn two_of_five_members_lose_their_disks_and_nothing_is_lost() {
    let _alone = WholeMachine::take();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let program = env!("CARGO_BIN_EXE_naxos-jepsen-node");
    two_of_five_wiped(program.as_ref(), folder.path()).unwrap_or_else(|error| panic!("{error:?}"));
}

#[test]
fn members_are_added_to_a_cluster_of_one_promoted_and_removed() {
    let _alone = WholeMachine::take();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let program = env!("CARGO_BIN_EXE_naxos-jepsen-node");
    grown(program.as_ref(), folder.path()).unwrap_or_else(|error| panic!("{error:?}"));
}

#[test]
fn the_kind_of_the_loglets_is_changed_fifty_times_under_load_without_an_error() {
    let _alone = WholeMachine::take();
    let program = env!("CARGO_BIN_EXE_naxos-jepsen-node");
    for (members, changes) in [(1, 50), (3, 50)] {
        let folder = tempfile::tempdir().expect("a temporary directory");
        kinds(program.as_ref(), folder.path(), members, changes).unwrap_or_else(|error| panic!("{error:?}"));
    }
}

#[test]
fn a_member_whose_disk_hangs_is_no_burden() {
    if !machine::is_root() || !["mkfs.ext4", "fsfreeze"].into_iter().all(machine::has_program) {
        return;
    }
    let _alone = WholeMachine::take();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let program = env!("CARGO_BIN_EXE_naxos-jepsen-node");
    hung(program.as_ref(), folder.path()).unwrap_or_else(|error| panic!("{error:?}"));
}

#[test]
fn a_member_without_a_quorum_sends_clients_that_want_a_leader_elsewhere() {
    let _alone = WholeMachine::take();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let program = env!("CARGO_BIN_EXE_naxos-jepsen-node");
    leaderless(program.as_ref(), folder.path()).unwrap_or_else(|error| panic!("{error:?}"));
}

#[test]
fn a_newer_program_is_rolled_in_rolled_back_and_rolled_in_again() {
    let _alone = WholeMachine::take();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let next = next_release::build().unwrap_or_else(|error| panic!("{error:?}"));
    let program = env!("CARGO_BIN_EXE_naxos-jepsen-node");
    upgraded(program.as_ref(), &next, folder.path()).unwrap_or_else(|error| panic!("{error:?}"));
}

#[test]
fn two_of_three_are_destroyed_and_the_third_is_recovered() {
    let _alone = WholeMachine::take();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let program = env!("CARGO_BIN_EXE_naxos-jepsen-node");
    recovered(program.as_ref(), folder.path()).unwrap_or_else(|error| panic!("{error:?}"));
}

#[test]
fn two_of_three_are_destroyed_and_the_third_is_forced_to_be_a_cluster_of_one() {
    let _alone = WholeMachine::take();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let program = env!("CARGO_BIN_EXE_naxos-jepsen-node");
    forced(program.as_ref(), folder.path()).unwrap_or_else(|error| panic!("{error:?}"));
}

#[test]
fn a_process_that_was_paused_serves_no_stale_read_when_it_wakes() {
    let _alone = WholeMachine::take();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let program = env!("CARGO_BIN_EXE_naxos-jepsen-node");
    woken(program.as_ref(), folder.path()).unwrap_or_else(|error| panic!("{error:?}"));
}

#[test]
fn a_lease_survives_three_changes_of_its_keeper_with_its_time_to_live() {
    let _alone = WholeMachine::take();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let program = env!("CARGO_BIN_EXE_naxos-jepsen-node");
    kept_lease(program.as_ref(), folder.path()).unwrap_or_else(|error| panic!("{error:?}"));
}

#[test]
fn a_transaction_that_reads_a_compacted_revision_ends_alike_on_all_members() {
    let _alone = WholeMachine::take();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let program = env!("CARGO_BIN_EXE_naxos-jepsen-node");
    compacted_txn(program.as_ref(), folder.path()).unwrap_or_else(|error| panic!("{error:?}"));
}

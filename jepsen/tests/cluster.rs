//! Three real processes are one etcd: members are killed, frozen and ended while clients write and watch.
#![cfg(test)]

use naxos_jepsen::cluster::{self, Fault, Plan, away, forced, grown, hung, kinds, leaderless, recovered, wiped};
use naxos_jepsen::differential::dice::Dice;
use naxos_jepsen::machine::{self, WholeMachine};

/// Faults, one after the other.
const ROUNDS: u32 = 8;

#[test]
fn three_members_lose_nothing_while_one_after_the_other_is_away() {
    let _alone = WholeMachine::take();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let plan = Plan {
        program: env!("CARGO_BIN_EXE_naxos-jepsen-node").into(),
        folder: folder.path().to_owned(),
        members: 3,
        rounds: ROUNDS,
        writers: 8,
        faults: vec![Fault::Kill, Fault::Freeze, Fault::End],
        seed: Dice::seed_of_this_run(),
    };
    let rounds = cluster::run(&plan).unwrap_or_else(|error| panic!("{error:?}"));
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

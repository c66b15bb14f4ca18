//! Several real processes work as one etcd cluster, whatever happens to some of them while clients write and watch.
#![cfg(test)]

use std::path::Path;
use std::time::Duration;

use naxos_benches::cluster::kind::Kind;
use naxos_jepsen::cluster::{
    away, bridged, compacted_txn, copied, differing, forced, grown, hung, kept_lease, kinds, leaderless, mixed, parted,
    recovered, refounded, shrunk, strangers, switched, two_of_five_wiped, unrenewable_lease, upgraded, wiped, woken,
};
use naxos_jepsen::differential::dice::seed_of_this_run;
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
        kinds.extend([Kind::Freeze, Kind::Cut, Kind::Deaf, Kind::Pair]);
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
        seed: seed_of_this_run(),
    };
    let rounds = mixed::run(&plan).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(rounds.len(), ROUNDS as usize);
}

/// Runs a test that needs the whole machine, with the server program and an empty folder.
fn passes(test: impl FnOnce(&Path, &Path) -> anyhow::Result<()>) {
    let _alone = WholeMachine::take();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let program = env!("CARGO_BIN_EXE_naxos-jepsen-node");
    test(program.as_ref(), folder.path()).unwrap_or_else(|error| panic!("{error:?}"));
}

#[test]
fn a_member_that_was_away_for_too_long_comes_back_by_a_snapshot() {
    passes(away);
}

#[test]
fn members_that_lose_their_disks_one_after_the_other_come_back() {
    passes(wiped);
}

#[test]
fn two_of_five_members_lose_their_disks_and_nothing_is_lost() {
    passes(two_of_five_wiped);
}

#[test]
fn members_are_added_to_a_cluster_of_one_promoted_and_removed() {
    passes(grown);
}

#[test]
fn the_parts_of_a_cluster_run_on_machines_of_their_own() {
    passes(parted);
}

#[test]
fn a_member_is_removed_while_another_one_is_down() {
    passes(shrunk);
}

#[test]
fn the_kind_of_the_loglets_is_changed_fifty_times_under_load_without_an_error() {
    for (members, changes) in [(1, 50), (3, 50)] {
        passes(|program, folder| kinds(program, folder, members, changes));
    }
}

#[test]
fn each_engine_is_turned_off_and_on_twenty_times_under_load_without_an_error() {
    passes(switched);
}

#[test]
fn a_member_whose_disk_hangs_is_no_burden() {
    if !machine::is_root() || !["mkfs.ext4", "fsfreeze"].into_iter().all(machine::has_program) {
        return;
    }
    passes(hung);
}

#[test]
fn old_and_cloned_data_directories_take_no_part() {
    passes(copied);
}

#[test]
fn strangers_are_told_what_was_expected_and_change_nothing() {
    passes(strangers);
}

#[test]
fn members_that_do_not_hear_each_other_agree_on_one_that_hears_both() {
    if !machine::is_root() || !machine::has_program("ip") {
        return;
    }
    passes(bridged);
}

#[test]
fn a_member_without_a_quorum_sends_clients_that_want_a_leader_elsewhere() {
    passes(leaderless);
}

#[test]
fn a_newer_program_is_rolled_in_rolled_back_and_rolled_in_again() {
    passes(|program, folder| upgraded(program, &next_release::build()?, folder));
}

#[test]
fn two_of_three_are_destroyed_and_the_third_is_recovered() {
    passes(recovered);
}

#[test]
fn two_of_three_are_destroyed_and_the_third_is_forced_to_be_a_cluster_of_one() {
    passes(forced);
}

#[test]
fn a_process_that_was_paused_serves_no_stale_read_when_it_wakes() {
    passes(woken);
}

#[test]
fn a_lease_survives_three_changes_of_its_keeper_with_its_time_to_live() {
    passes(kept_lease);
}

#[test]
fn a_member_whose_cluster_was_replaced_by_a_new_one_serves_nothing() {
    passes(refounded);
}

#[test]
fn a_lease_does_not_end_while_the_quorum_is_away_and_it_cannot_be_renewed() {
    passes(unrenewable_lease);
}

#[test]
fn a_member_whose_state_differs_fences_itself_and_names_the_first_revision() {
    passes(differing);
}

#[test]
fn a_transaction_that_reads_a_compacted_revision_ends_alike_on_all_members() {
    passes(compacted_txn);
}

//! `naxos ctl members`.

use naxos_proto::control::{MemberStatus, MembersResponse, NodeState};
use naxos_proto::ids::StorageId;
use naxos_proto::role::Role;

use super::table::table;
use super::units::grouped;

/// The members as a table.
pub(super) fn members(answer: &MembersResponse) -> String {
    let columns = ["MEMBER", "NAME", "STATE", "ROLES", "APPLIED", "LAG", "NEEDS LOG FROM"];
    let rows: Vec<_> = answer.members.iter().map(|member| row(member, answer.applied)).collect();
    let members = answer.members.iter().filter_map(|member| Some((member.needs_from?, name(member))));
    let programs = answer.programs_need_from.map(|at| (at, "programs that use it directly".to_owned()));
    let held = members.chain(programs).min_by_key(|(at, _)| *at).map_or_else(String::new, |(at, holder)| {
        format!("\n\nThe log is kept from position {} on, for {holder}.", grouped(at))
    });
    format!("{}{held}", table(&columns, &rows))
}

fn name(member: &MemberStatus) -> String {
    if member.name.is_empty() { format!("{:x}", member.member_id) } else { member.name.clone() }
}

fn row(member: &MemberStatus, applied: u64) -> Vec<String> {
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), grouped);
    let state = match member.state() {
        _ if member.storage_id == 0 => "not started",
        NodeState::Alive => "alive",
        NodeState::Hung => "disk hangs",
        NodeState::Silent | NodeState::Unspecified => "silent",
    };
    let role = Role::of(StorageId(member.storage_id));
    let roles = [
        (role == Role::LogServer, "log server"),
        (role == Role::FrontEnd, "front end"),
        (role == Role::Sequencer && !member.has_sequencer, "standby sequencer"),
        (member.has_sequencer, "sequencer"),
        (member.leads_metadata, "metadata leader"),
        (member.votes && !member.leads_metadata, "vote"),
        (member.holds_log, "log"),
        (member.is_learner, "learner"),
    ];
    let roles: Vec<&str> = roles.into_iter().filter(|(has, _)| *has).map(|(_, role)| role).collect();
    vec![
        format!("{:x}", member.member_id),
        member.name.clone(),
        state.to_owned(),
        roles.join(", "),
        number(member.applied),
        number(member.applied.map(|theirs| applied.saturating_sub(theirs))),
        number(member.needs_from),
    ]
}

//! `naxos ctl units`.

use naxos_proto::control::{UnitStatus, UnitsResponse};

use super::table::table;
use super::units::{counted, grouped};

/// The storage units as a table, and what is being repaired.
pub(super) fn unit_table(answer: &UnitsResponse) -> String {
    let columns = ["UNIT", "MEMBER", "SEGMENTS", "ACTIVE", "LACKS", "STATE"];
    let rows: Vec<_> = answer.units.iter().map(row).collect();
    let lacks: u64 = answer.units.iter().map(|unit| unit.lacks).sum();
    let silent = answer.units.iter().any(|unit| unit.silent > 0);
    let lost: u32 = answer.units.iter().filter(|unit| unit.is_lost).map(|unit| unit.segments).sum();
    let lost = match lost {
        0 => String::new(),
        lost => format!(
            "\n{} of the log may have a copy too few. In one segment after the other, the members put another unit \
             that is alive in the place of the lost one, or leave the lost unit out if there is no other unit.",
            counted(lost as usize, "segment")
        ),
    };
    let repair = match (lacks, silent) {
        _ if answer.units.is_empty() => "No unit could be asked.".to_owned(),
        (0, false) => "Each unit has all cells of its segments.".to_owned(),
        (0, true) => "Each unit that answers has all cells of its segments.".to_owned(),
        (lacks, _) => format!(
            "{} missing, counting each copy. The members copy what a unit lacks, every few seconds and after each change \
             of the log.",
            counted(usize::try_from(lacks).unwrap_or(usize::MAX), "cell")
        ),
    };
    let unseen = answer.segments.saturating_sub(answer.seen);
    let unseen = match unseen {
        0 => String::new(),
        unseen => format!("\n{} of the log could not be looked at.", counted(unseen as usize, "segment")),
    };
    format!("{}\n\n{repair}{lost}{unseen}", table(&columns, &rows))
}

fn row(unit: &UnitStatus) -> Vec<String> {
    let member = match (unit.member_id, unit.name.as_str()) {
        (0, _) => "lost its seat".to_owned(),
        (id, "") => format!("{id:x}"),
        (_, name) => name.to_owned(),
    };
    let state = match unit.silent {
        _ if unit.is_lost => "lost for good",
        0 => "answers",
        silent if silent == unit.segments => "silent",
        _ => "answers for some segments",
    };
    let is_silent = unit.silent == unit.segments;
    vec![
        format!("{:016x}", unit.storage_id),
        member,
        grouped(unit.segments.into()),
        if unit.is_active { "yes" } else { "no" }.to_owned(),
        if is_silent { "-".to_owned() } else { grouped(unit.lacks) },
        state.to_owned(),
    ]
}
